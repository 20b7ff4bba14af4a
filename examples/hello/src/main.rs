mod apps;
steeple::site!();

fn main() -> std::process::ExitCode {
    steeple::Server::new(site()).main()
}
