//! The name of the CPU, and which of its features are in use.

/// The name of the CPU's model, or its architecture where the system does not tell.
pub fn name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(
        || format!("{} CPU", std::env::consts::ARCH),
        |(_, name)| name.trim().to_string(),
    )
}

/// Instruction set and number of threads: `AVX-512, 2 threads`.
pub fn features() -> String {
    let threads = rayon::current_num_threads();
    format!(
        "{}, {threads} thread{}",
        super::simd::instructions(),
        if threads == 1 { "" } else { "s" }
    )
}
