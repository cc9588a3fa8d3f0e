// Deflection by the elliptical power law whose words begin at `at`, without shear, at p from its centre along its axes:
// Tessore & Metcalf 2015, A&A 580, A79, eqs. 13 and 23 to 29, with no angle ever taken. Needs word() and objects.
fn times(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

fn power_law(at: u32, p: vec2<f32>) -> vec2<f32> {
    let q = word(at + 4u);
    let b = word(at + 5u);
    let t = word(at + 6u);
    let e = vec2<f32>(q * p.x, p.y);
    let largest = max(abs(e.x), abs(e.y));
    // At the very centre the deflection has no direction: its mean, 0.
    if (b <= 0.0 || largest <= 0.0) {
        return vec2<f32>(0.0);
    }
    let scaled = e / largest;
    let norm = sqrt(dot(scaled, scaled));
    let unit = scaled / norm;
    let radius = largest * norm;
    let turn = times(unit, unit) * ((q - 1.0) / (q + 1.0));
    var term = unit;
    var sum = unit;
    let terms = objects[at + 7u];
    for (var n = 1u; n <= terms; n++) {
        let two_n = f32(2u * n);
        term = times(turn, term) * ((two_n - (2.0 - t)) / (two_n + (2.0 - t)));
        sum += term;
    }
    return sum * (2.0 * b / (1.0 + q) * pow(b / radius, t - 1.0));
}

// From the sky to the mass's axes and back.
fn along(at: u32, p: vec2<f32>) -> vec2<f32> {
    let c = word(at + 2u);
    let s = word(at + 3u);
    return vec2<f32>(c * p.x + s * p.y, c * p.y - s * p.x);
}

fn back(at: u32, p: vec2<f32>) -> vec2<f32> {
    return times(vec2<f32>(word(at + 2u), word(at + 3u)), p);
}

fn sheared(at: u32, p: vec2<f32>) -> vec2<f32> {
    let g1 = word(at + 8u);
    let g2 = word(at + 9u);
    return vec2<f32>(g1 * p.x + g2 * p.y, g2 * p.x - g1 * p.y);
}

// Mass and shear, on the sky.
fn deflection(at: u32, theta: vec2<f32>) -> vec2<f32> {
    let p = theta - vec2<f32>(word(at), word(at + 1u));
    return back(at, power_law(at, along(at, p))) + sheared(at, p);
}
