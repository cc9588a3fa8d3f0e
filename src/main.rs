fn main() -> std::process::ExitCode {
    lensgpu::cli::main()
}
