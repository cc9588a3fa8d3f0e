// V: the LANE values that a thread works on at a time, four or one. In memory they are `stored_NAME_LANE`, f16 or f32.
#if LANE == 4
alias V = vec4<f32>;
alias Index = vec4<u32>;
#else
alias V = f32;
alias Index = u32;
#endif
