// The simulator: from objects of WORDS words each (see src/plan/lens.rs) to images.
//
// lens_psf       objects                 ->  kernels (N,C,K,K), each with a sum of 1
// lens_render    objects                 ->  light (N,P,H,W), electrons: all of each band, and the lensed source in the first
// lens_convolve  light, kernels          ->  out (N,P,H,W)
// lens_noise     objects, light          ->  images (N,H,W,C): pixel values
// lens_arcs      objects, light          ->  (N,2), behind the images: pixels above the noise, their summed S/N
//
// The plan has one member; the grid covers the objects.

#entry lens_psf
// Each workgroup computes one kernel.
@group(0) @binding(0) var<storage, read> objects: array<u32>;
@group(0) @binding(1) var<storage, read_write> kernels: array<f32>;

var<workgroup> sh_sums: array<f32, 64>;

fn word(k: u32) -> f32 {
    return bitcast<f32>(objects[k]);
}

fn profile(band: u32, place: u32) -> f32 {
    let fwhm = word(band + 3u) / PIXEL_SCALE;
    let beta = word(band + 4u);
    let e1 = word(band + 5u);
    let e2 = word(band + 6u);
    let x = f32(place % KERNEL) - ${(KERNEL - 1) / 2}.0;
    let y = f32(place / KERNEL) - ${(KERNEL - 1) / 2}.0;
    // The determinant is 1 up to e^2; the width along the direction of e grows by 1 + e.
    let r2 = ((1.0 - e1) * x * x - 2.0 * e2 * x * y + (1.0 + e1) * y * y) * 4.0 / (fwhm * fwhm);
    if (beta > 0.0) {
        return pow(1.0 + r2 * (exp2(1.0 / beta) - 1.0), -beta);
    }
    return exp2(-r2);
}

@compute @workgroup_size(64)
fn lens_psf(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    // The grid may be a few workgroups too large; these compute the last kernel again and store nothing.
    let index = group.x + group.y * GRID_X;
    let kernel = min(index, ${OBJECTS * BANDS - 1}u);
    let band = kernel / BANDS * WORDS + BANDS_AT + kernel % BANDS * BAND_WORDS;
    var sum = 0.0;
    for (var place = thread; place < ${KERNEL * KERNEL}u; place += 64u) {
        sum += profile(band, place);
    }
    sh_sums[thread] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sums[thread] += sh_sums[thread + half];
        }
    }
    workgroupBarrier();
    if (index == kernel) {
        for (var place = thread; place < ${KERNEL * KERNEL}u; place += 64u) {
            kernels[kernel * ${KERNEL * KERNEL}u + place] = profile(band, place) / sh_sums[0];
        }
    }
}

#entry lens_render
// Each thread computes one pixel in all bands.
@group(0) @binding(0) var<storage, read> objects: array<u32>;
@group(0) @binding(1) var<storage, read_write> light: array<f32>;

fn word(k: u32) -> f32 {
    return bitcast<f32>(objects[k]);
}

#import shared/deflection
#import shared/sersic

@compute @workgroup_size(64)
fn lens_render(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = (group.x + group.y * GRID_X) * 64u + thread;
    if (index < ${OBJECTS * H * W}u) {
        let pixel = index % ${H * W}u;
        let object = index / ${H * W}u * WORDS;
        let first = object + COMPONENTS_AT;
        let lensed = objects[object + LENSED];
        let all = objects[object + COMPONENTS];
        // y increases with the row, as in FITS.
        let place = vec2<f32>(vec2<u32>(pixel % W, pixel / W));
        let centre = (place - 0.5 * vec2<f32>(${W - 1}.0, ${H - 1}.0)) * PIXEL_SCALE;
        var arcs: array<f32, BANDS>;
        var others: array<f32, BANDS>;

        if (lensed > 0u) {
            for (var sample = 0u; sample < ${SAMPLES * SAMPLES}u; sample++) {
                let inside = (vec2<f32>(vec2<u32>(sample % SAMPLES, sample / SAMPLES)) + 0.5) / f32(SAMPLES) - 0.5;
                let theta = centre + inside * PIXEL_SCALE;
                let beta = theta - deflection(object + MASS, theta);
                for (var k = 0u; k < lensed; k++) {
                    let at = first + k * COMPONENT_WORDS;
                    let shape = sersic(at, beta);
#for band in 0..BANDS
                    arcs[$band] += shape * word(at + ${OWN_WORDS + band}u);
#endfor
                }
            }
        }
        for (var k = lensed; k < all; k++) {
            let at = first + k * COMPONENT_WORDS;
            let away = abs(centre - vec2<f32>(word(at), word(at + 1u)));
            let distance = max(away.x, away.y) / PIXEL_SCALE;
            var side = 2u;
            if (distance < FAR_0) {
                side = SIDE_0;
            } else if (distance < FAR_1) {
                side = SIDE_1;
            } else if (distance < FAR_2) {
                side = SIDE_2;
            }
            var shape = 0.0;
            for (var i = 0u; i < side; i++) {
                var line = 0.0;
                for (var j = 0u; j < side; j++) {
                    let inside = (vec2<f32>(vec2<u32>(j, i)) + 0.5) / f32(side) - 0.5;
                    line += sersic(at, centre + inside * PIXEL_SCALE);
                }
                shape += line;
            }
            shape /= f32(side * side);
#for band in 0..BANDS
            others[$band] += shape * word(at + ${OWN_WORDS + band}u);
#endfor
        }
        let out = index / ${H * W}u * ${(BANDS + 1) * H * W}u + pixel;
#for band in 0..BANDS
        light[out + ${band * H * W}u] = arcs[$band] / ${SAMPLES * SAMPLES}.0 + others[$band];
#endfor
        light[out + ${BANDS * H * W}u] = arcs[0] / ${SAMPLES * SAMPLES}.0;
    }
}

#entry lens_convolve
// Each workgroup computes 16 x 16 pixels of a plane; its memory holds their surroundings as far as the kernel reaches.
@group(0) @binding(0) var<storage, read> light: array<f32>;
@group(0) @binding(1) var<storage, read> kernels: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

#let SIDE = 16 + KERNEL - 1
#let TILES_W = (W + 15) / 16
#let TILES_H = (H + 15) / 16
#let TILES = TILES_W * TILES_H

var<workgroup> sh_light: array<f32, ${SIDE * SIDE}>;

@compute @workgroup_size(256)
fn lens_convolve(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = group.x + group.y * GRID_X;
    let plane = min(index / ${TILES}u, ${OBJECTS * (BANDS + 1) - 1}u);
    let left = index % ${TILES_W}u * 16u;
    let top = index / ${TILES_W}u % ${TILES_H}u * 16u;
    for (var place = thread; place < ${SIDE * SIDE}u; place += 256u) {
        let i = clamp(i32(top + place / ${SIDE}u) - ${(KERNEL - 1) / 2}, 0, ${H - 1});
        let j = clamp(i32(left + place % ${SIDE}u) - ${(KERNEL - 1) / 2}, 0, ${W - 1});
        sh_light[place] = light[(plane * H + u32(i)) * W + u32(j)];
    }
    workgroupBarrier();
    // The last plane is of the first band.
    let band = plane % ${BANDS + 1}u % BANDS;
#if SAME
    let kernel = band * ${KERNEL * KERNEL}u;
#else
    let kernel = (plane / ${BANDS + 1}u * BANDS + band) * ${KERNEL * KERNEL}u;
#endif
    let i = thread / 16u;
    let j = thread % 16u;
    var sum = 0.0;
    for (var u = 0u; u < KERNEL; u++) {
        // A convolution: the kernel is rotated by 180 degrees.
        var line = 0.0;
        for (var v = 0u; v < KERNEL; v++) {
            line += kernels[kernel + ${KERNEL * KERNEL - 1}u - (u * KERNEL + v)] * sh_light[(i + u) * ${SIDE}u + j + v];
        }
        sum += line;
    }
    if (index < ${OBJECTS * (BANDS + 1) * TILES}u && top + i < H && left + j < W) {
        out[(plane * H + top + i) * W + left + j] = sum;
    }
}

#entry lens_noise
// Each thread computes one pixel of one band.
@group(0) @binding(0) var<storage, read> objects: array<u32>;
@group(0) @binding(1) var<storage, read> light: array<f32>;
@group(0) @binding(2) var<storage, read_write> images: array<f32>;

fn word(k: u32) -> f32 {
    return bitcast<f32>(objects[k]);
}

#import shared/random

@compute @workgroup_size(256)
fn lens_noise(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = (group.x + group.y * GRID_X) * 256u + thread;
    if (index < ${OBJECTS * H * W * BANDS}u) {
        let band = index % BANDS;
        let pixel = index / BANDS % ${H * W}u;
        let number = index / ${H * W * BANDS}u;
        let object = number * WORDS;
        let row = pixel / W + ROW;
        let column = pixel % W + COLUMN;
        let place = number * ${(BANDS + 1) * H * W}u + band * ${H * W}u + pixel;
        let at = object + BANDS_AT + band * BAND_WORDS;
        let sky = word(at);
        let own = objects[at + 7u];
        let mean = light[place] + sky;
        let random = pcg4d(vec4<u32>(objects[object], objects[object + 1u], own, (row << 16u) | column));
        var counts = 0.0;
        if (mean < EXACT_BELOW) {
            counts = poisson(mean, random.x);
        } else {
            counts = mean + sqrt(mean) * gaussian(random.x, random.y);
        }
        let noise = word(at + 1u) * gaussian(random.z, random.w);
        var value = (counts + noise - sky + word(at + 8u)) * word(at + 2u);
        for (var k = 0u; k < ${RECTANGLES}u; k++) {
            let rectangle = object + RECTANGLES_AT + k * RECTANGLE_WORDS;
            let columns = objects[rectangle];
            let rows = objects[rectangle + 1u];
            let inside = column >= (columns & 0xffffu) && column <= columns >> 16u
                && row >= (rows & 0xffffu) && row <= rows >> 16u;
            if (inside && ((objects[rectangle + 2u] >> own) & 1u) == 1u) {
                value = MASKED;
            }
        }
        images[index] = value;
    }
}

#entry lens_arcs
// Each workgroup computes one object.
@group(0) @binding(0) var<storage, read> objects: array<u32>;
@group(0) @binding(1) var<storage, read> light: array<f32>;
@group(0) @binding(2) var<storage, read_write> images: array<f32>;

var<workgroup> sh_sums: array<vec2<f32>, 256>;

fn word(k: u32) -> f32 {
    return bitcast<f32>(objects[k]);
}

@compute @workgroup_size(256)
fn lens_arcs(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = group.x + group.y * GRID_X;
    let object = min(index, ${OBJECTS - 1}u);
    let band = object * WORDS + BANDS_AT;
    let noise = sqrt(word(band) + word(band + 1u) * word(band + 1u));
    var sum = vec2<f32>(0.0);
    for (var pixel = thread; pixel < ${H * W}u; pixel += 256u) {
        let ratio = light[object * ${(BANDS + 1) * H * W}u + ${BANDS * H * W}u + pixel] / noise;
        sum += select(vec2<f32>(0.0), vec2<f32>(1.0, ratio), ratio > 1.0);
    }
    sh_sums[thread] = sum;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sums[thread] += sh_sums[thread + half];
        }
    }
    if (thread == 0u && index == object) {
        images[${OBJECTS * H * W * BANDS}u + object * 2u] = sh_sums[0].x;
        images[${OBJECTS * H * W * BANDS}u + object * 2u + 1u] = sh_sums[0].y;
    }
}
