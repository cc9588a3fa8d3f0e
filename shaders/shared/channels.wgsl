// V: the channels that a thread has in hand at a time, four where C % 4 = 0, else one; BLOCKS of them make a pixel.
#if C % 4 == 0
#let LANE = 4
alias V = vec4<f32>;
alias Index = vec4<u32>;
#else
#let LANE = 1
alias V = f32;
alias Index = u32;
#endif
#let BLOCKS = C / LANE
