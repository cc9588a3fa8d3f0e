//! Fuzz targets: files that others made, read by the functions that `tests/hostile` uses as well.

#[path = "../../tests/hostile/inputs.rs"]
pub mod inputs;
