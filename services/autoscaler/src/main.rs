use std::process::ExitCode;

fn main() -> ExitCode {
    autoscaler::main()
}
