// Four random words from four words (pcg4d, Jarzynski & Olano 2020, JCGT 9, 3). Integer arithmetic is the same on every
// device.
fn pcg4d(key: vec4<u32>) -> vec4<u32> {
    var v = key * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v = v ^ (v >> vec4<u32>(16u));
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

// A random number in (0,1) without both ends, so that its logarithm exists.
fn uniform(word: u32) -> f32 {
    return (f32(word >> 9u) + 0.5) * 1.1920929e-7;
}

// A random number with the standard normal distribution (Box & Muller 1958).
fn gaussian(a: u32, b: u32) -> f32 {
    return sqrt(-2.0 * log(uniform(a))) * cos(6.2831855 * uniform(b));
}

// A Poisson random number by inversion, for means for which exp(-mean) does not underflow.
fn poisson(mean: f32, word: u32) -> f32 {
    let goal = uniform(word);
    var probability = exp(-mean);
    var cumulative = probability;
    var count = 0.0;
    while (goal > cumulative && count < 200.0) {
        count += 1.0;
        probability *= mean / count;
        cumulative += probability;
    }
    return count;
}
