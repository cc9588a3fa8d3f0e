use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_drivers();
    lensgpu::cli::main(std::env::args_os()).into()
}

/// Sets `XDG_RUNTIME_DIR` if it is not set, as on servers and in containers. Otherwise Mesa's drivers print an error,
/// although they need the folder for windows only, and this program opens none.
fn quiet_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread is running yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}
