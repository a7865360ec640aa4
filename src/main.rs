//! gtctl: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    gtctl::cli::main()
}
