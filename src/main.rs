use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_drivers();
    lensgpu::cli::main()
}

/// Mesa's drivers complain on standard error where `XDG_RUNTIME_DIR` is not set, as on servers and in containers. They
/// want it for windows, which this program has none of.
fn quiet_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}
