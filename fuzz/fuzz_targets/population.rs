#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lensgpu_fuzz::inputs::population(bytes);
});
