//! `run`: serve until told to stop.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Failure,
    out::{Out, counted},
};
use crate::{
    auth::{Access, FirstAccount},
    config::{Config, Environment},
    db,
    method::Shape,
    server::{Plan, PlannedService, Running, Server},
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- run
  cargo run -- run --grpc 127.0.0.1:50051 --http off
  STEEPLE_ENV=production cargo run --release -- run --workers 4";

/// Signals this close together are one.
const ONCE: Duration = Duration::from_millis(500);

#[derive(Debug, Default, clap::Args)]
pub(super) struct Arguments {
    /// Address of the gRPC listener (server.grpc)
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["host", "port"])]
    grpc: Option<String>,
    /// Address of the HTTP listener, or `off` (server.http)
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// Host of the gRPC listener; its port stays 50051 unless --port says otherwise
    #[arg(long)]
    host: Option<String>,
    /// Port of the gRPC listener, on every interface unless --host says otherwise
    #[arg(long)]
    port: Option<u16>,
    /// Threads that run calls (server.max_workers)
    #[arg(long)]
    workers: Option<usize>,
    /// Serve no reflection (server.reflection)
    #[arg(long)]
    no_reflection: bool,
    /// Serve no health checks (server.health)
    #[arg(long)]
    no_health_check: bool,
}

impl Arguments {
    pub fn overrides(&self) -> Vec<(String, String)> {
        let of_parts = || {
            let host = self.host.as_deref().unwrap_or("[::]");
            let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
            (self.host.is_some() || self.port.is_some()).then(|| format!("{host}:{}", self.port.unwrap_or(50051)))
        };
        let given = [
            ("server.grpc", self.grpc.clone().or_else(of_parts)),
            ("server.http", self.http.clone()),
            ("server.max_workers", self.workers.map(|workers| workers.to_string())),
            ("server.reflection", self.no_reflection.then(|| "false".to_owned())),
            ("server.health", self.no_health_check.then(|| "false".to_owned())),
        ];
        given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

pub(super) async fn run(server: Server, config: Config, out: Out) -> Result<ExitCode, Failure> {
    let (name, version) = (server.site.name(), server.site.version());
    let first_calls: Vec<_> = server.site.apps.iter().filter_map(|app| app.first_call).collect();
    let mut told = told_to_stop()?;
    let starting = server.start(config);
    let mut running = tokio::select! {
        running = starting => running?,
        () = told.recv() => return Ok(ExitCode::SUCCESS),
    };
    let account = match running.config().env {
        Environment::Development => running.identity().first_account().await?,
        _ => None,
    };
    let report = Report::of(name, version, &first_calls, account, &running);
    out.line(&report, || report.to_text());
    let fault = tokio::select! {
        () = told.recv() => false,
        () = running.ended() => true,
    };
    let since = Instant::now();
    tracing::info!(calls = running.in_flight(), within = ?running.config().server.drain, "stopping");
    let stopped = tokio::select! {
        stopped = running.stop() => stopped,
        () = told.again(since) => return Err(Failure("told to stop twice, left without draining".to_owned())),
    };
    tracing::info!(cut = stopped.cut, lost = stopped.lost, undelivered = stopped.undelivered, "stopped");
    Ok(if fault || stopped.lost > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the start says of itself.
#[derive(Debug, Serialize)]
struct Report<'a> {
    site: &'a str,
    version: &'a str,
    environment: &'a str,
    grpc: SocketAddr,
    http: Option<SocketAddr>,
    /// Where the admin is on it.
    #[serde(skip)]
    admin: Option<String>,
    database: String,
    pid: u32,
    first_call: Option<String>,
    /// In development, when nobody was one: shown this once.
    superuser: Option<FirstAccount>,
    /// The metadata key of API keys.
    #[serde(skip)]
    header: &'a str,
    #[serde(flatten)]
    plan: &'a Plan,
}

impl<'a> Report<'a> {
    fn of(
        site: &'a str,
        version: &'a str,
        first_calls: &[(&'static str, &'static str)],
        superuser: Option<FirstAccount>,
        running: &'a Running,
    ) -> Self {
        let config = running.config();
        let header = config.auth.api_key_header.as_str();
        let key = superuser.as_ref().map_or("<api key>", |account| account.api_key.expose());
        let first_call = first_call(first_calls, &running.plan, running.grpc, &format!("{header}: {key}"));
        Self {
            site,
            version,
            environment: config.env.as_str(),
            grpc: running.grpc,
            http: running.http,
            admin: config.admin.enabled.then(|| config.admin.path.clone()),
            database: db::redacted(&config.database.url),
            pid: std::process::id(),
            first_call,
            superuser,
            header,
            plan: &running.plan,
        }
    }

    fn to_text(&self) -> String {
        let Self { site, version, environment, grpc, database, plan, .. } = self;
        let admin = self.admin.as_deref().map(|path| format!(" {path}/")).unwrap_or_default();
        let http = self.http.map_or_else(
            || "off".to_owned(),
            |http| format!("http://{http}  /healthz /readyz /metrics /cfg/grpc/openapi.json{admin}"),
        );
        let mut text = format!("\n{site} {version}, {environment}\n\n");
        let _ = writeln!(text, "  gRPC      {grpc}\n  HTTP      {http}\n  database  {database}\n");
        let width = plan.services.iter().map(|service| service.found.name.len()).max().unwrap_or_default();
        let apps = plan.services.iter().map(|service| service.found.app.len()).max().unwrap_or_default().max(8);
        for service in &plan.services {
            let (app, name, methods) =
                (service.found.app, service.found.name, counted(service.methods.len(), "method"));
            let _ = writeln!(text, "  {app:<apps$}  {name:<width$}  {methods}");
        }
        for skipped in &plan.skipped {
            let space = if skipped.name.is_empty() { "" } else { " " };
            let _ = writeln!(text, "  {:<apps$}  {}{space}skipped: {}", skipped.app, skipped.name, skipped.why);
        }
        if let Some(FirstAccount { username, password, api_key }) = &self.superuser {
            let (password, key, header) = (password.expose(), api_key.expose(), self.header);
            let _ = writeln!(
                text,
                "\n  Nobody was a superuser, so one was made. This is shown once:\n\n    username  {username}\n    password  {password}\n    api key   {key}\n\n  A call with -H '{header}: {key}' is made in their name."
            );
        }
        if let Some(call) = &self.first_call {
            let call = call.replace(" -H ", " \\\n      -H ").replace(" -d ", " \\\n      -d ");
            let _ = writeln!(text, "\n  A first call:\n\n    {call}");
        }
        text
    }
}

/// A call to paste, which works by reflection: what an app proposes, or else the first unary method of the site. One that
/// is not for anyone gets the header with the key.
fn first_call(
    proposed: &[(&'static str, &'static str)],
    plan: &Plan,
    grpc: SocketAddr,
    header: &str,
) -> Option<String> {
    plan.services.iter().find(|service| service.found.app == "steeple" && service.found.name.contains("reflection"))?;
    let methods: Vec<_> = plan.services.iter().filter(|service| service.found.native).flat_map(unary).collect();
    let served = |(method, json): &(&'static str, &'static str)| {
        let found = methods.iter().find(|(path, _)| path.trim_start_matches('/') == *method);
        found.map(|method| (method, *json))
    };
    let ((path, access), json) = match proposed.iter().find_map(served) {
        Some(proposed) => proposed,
        None => (methods.first()?, "{}"),
    };
    let host = if grpc.ip().is_unspecified() { format!("127.0.0.1:{}", grpc.port()) } else { grpc.to_string() };
    let json = json.replace('\'', r"'\''");
    let header = if **access == Access::Public { String::new() } else { format!("-H '{header}' ") };
    Some(format!(
        "npx -y @bufbuild/buf curl --http2-prior-knowledge --protocol grpc {header}-d '{json}' http://{host}{path}"
    ))
}

fn unary(service: &PlannedService) -> impl Iterator<Item = (&str, &Access)> {
    let unary = service.methods.iter().filter(|planned| planned.method.shape == Shape::Unary);
    unary.map(|planned| (planned.method.path.as_str(), &planned.decision.access))
}

/// SIGTERM and Ctrl-C, each as often as it comes.
pub(super) struct Told {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
pub(super) fn told_to_stop() -> std::io::Result<Told> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Told { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
}

#[cfg(not(unix))]
pub(super) fn told_to_stop() -> std::io::Result<Told> {
    Ok(Told {})
}

impl Told {
    /// Told a second time. `timeout` and some supervisors signal a process and then its group: that is once.
    async fn again(&mut self, first: Instant) {
        loop {
            self.recv().await;
            if first.elapsed() > ONCE {
                return;
            }
        }
    }

    #[cfg(unix)]
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub async fn recv(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
