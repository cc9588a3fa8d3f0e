//! What the processor is called, and what of it is used.

/// As the system calls it.
pub fn name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(
        || format!("{} processor", std::env::consts::ARCH),
        |(_, name)| name.trim().to_string(),
    )
}

/// Instruction set and threads.
pub fn features() -> String {
    let threads = rayon::current_num_threads();
    format!(
        "{}, {threads} thread{}",
        super::simd::instructions(),
        if threads == 1 { "" } else { "s" }
    )
}
