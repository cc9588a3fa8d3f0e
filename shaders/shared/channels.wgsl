// V: the channels that a thread works on at a time, four if C % 4 = 0, else one; a pixel consists of BLOCKS of them.
#if C % 4 == 0
#let LANE = 4
#else
#let LANE = 1
#endif
#let BLOCKS = C / LANE
#import shared/lanes
