//! Every key of the configuration, described once: the loader knows keys by this table, the default file is written
//! from it, and messages take their words from it.
//!
//! The default of a key is not here: it is what the section's `Config::default()` says.

use super::keys::{Kind, Section, key};
use crate::auth;

/// All sections but `[settings]`, whose keys belong to the site's apps.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "server",
        doc: "Where the site listens, and what one connection may ask of it.",
        keys: &[
            key("grpc", Kind::Address, "Address of the gRPC listener. Port 0 takes a free one."),
            key("http", Kind::Address, "Address of the HTTP listener (health, metrics, admin, REST), or \"off\"."),
            key("max_workers", Kind::Whole, "Threads that run calls. 0: one per core."),
            key(
                "max_receive_message_bytes",
                Kind::Bytes,
                "Largest message a caller may send, in bytes, after decompression. Larger ones are refused\nwith RESOURCE_EXHAUSTED.",
            ),
            key("max_send_message_bytes", Kind::Bytes, "Largest message the site may answer with, in bytes."),
            key(
                "max_concurrent_streams",
                Kind::Whole,
                "Calls that one connection may have open at once. The surplus gets REFUSED_STREAM, and clients wait.",
            ),
            key(
                "trusted_proxies",
                Kind::List,
                "Addresses and networks of proxies. From these, the last address in x-forwarded-for that is none of them is the\nclient's: in the request log, and where failed logins are counted.",
            )
            .example("[\"10.0.0.0/8\"]"),
            key("max_connections", Kind::Whole, "gRPC connections open at once. Further ones are closed on arrival."),
            key(
                "max_header_list_bytes",
                Kind::Bytes,
                "Largest list of metadata of one call, in bytes as HPACK counts them (name + value + 32 each).",
            ),
            key(
                "handshake_timeout",
                Kind::Duration,
                "Time a new connection has to send its HTTP/2 preface and SETTINGS before it is closed.",
            ),
            key(
                "header_timeout",
                Kind::Duration,
                "Time one frame (other than DATA) or one list of headers may take to arrive before the connection\nis closed.",
            ),
            key("keepalive_interval", Kind::Duration, "Time between the PINGs that find dead peers. \"0s\": none."),
            key("keepalive_timeout", Kind::Duration, "Time a peer has to answer a PING before its connection is closed."),
            key(
                "max_connection_age",
                Kind::Duration,
                "Age at which a connection is asked to leave (GOAWAY), so that load spreads over new nodes.",
            )
            .example("\"30m\""),
            key(
                "max_connection_age_grace",
                Kind::Duration,
                "Time the calls of a connection that was asked to leave have to finish.",
            ),
            key(
                "compression",
                Kind::Choices(&["gzip", "deflate"]),
                "Compression spoken with callers that ask for it: \"gzip\", \"deflate\".",
            ),
            key("reflection", Kind::Switch, "Serve reflection (grpc.reflection.v1 and v1alpha)."),
            key("health", Kind::Switch, "Serve health (grpc.health.v1)."),
            key("drain", Kind::Duration, "Time that calls in flight have to finish after SIGTERM or Ctrl-C."),
        ],
    },
    Section {
        name: "database",
        doc: "Where the site keeps its data.",
        keys: &[
            key(
                "url",
                Kind::Text,
                "sqlite://site.sqlite3, postgres://user:password@host/name or mysql://user:password@host/name.\nA secret: may be \"env:NAME\" or \"file:PATH\" (relative to this file).",
            )
            .secret(),
            key(
                "max_connections",
                Kind::Whole,
                "Connections at most. Not set: by the number of worker threads; SQLite 2 per worker, from 4 to 16,\nPostgreSQL and MySQL 4 per worker, from 8 to 32.",
            )
            .example("16"),
            key(
                "acquire_timeout",
                Kind::Duration,
                "Time a statement waits for a free connection before its call is UNAVAILABLE; also for the first\nconnection at start.",
            ),
            key(
                "idle_test_after",
                Kind::Duration,
                "A connection unused for longer is tested before use. Not used on SQLite.",
            ),
            key("idle_timeout", Kind::Duration, "A connection unused for longer is closed. Not used on SQLite."),
            key("max_lifetime", Kind::Duration, "A connection older than this is replaced. Not used on SQLite."),
            key("busy_timeout", Kind::Duration, "Time SQLite waits for another writer before the call is ABORTED."),
            key("statement_cache", Kind::Whole, "Prepared statements kept per connection."),
        ],
    },
    Section {
        name: "log",
        doc: "The request log: a row in the database and a line on the console for each call.",
        keys: &[
            key(
                "enabled",
                Kind::Switch,
                "Write rows and statistics to the database. Console lines and metrics do not depend on it.",
            ),
            key(
                "console",
                Kind::Choice(&["all", "errors", "off"]),
                "Which calls get a line on the console: \"all\", \"errors\" or \"off\".",
            ),
            key(
                "format",
                Kind::Choice(&["auto", "pretty", "json"]),
                "The shape of such a line: \"pretty\", \"json\" or \"auto\" (pretty in development, JSON elsewhere).",
            ),
            key("queue", Kind::Whole, "Closed calls that may wait to be written, 1 to 16777216."),
            key("batch", Kind::Whole, "Rows of one transaction, 1 to 100000; so many waiting calls wake the writer early."),
            key(
                "flush_interval",
                Kind::Duration,
                "How often waiting calls are written, 1ms to 1h. A crash loses at most the calls of this window.",
            ),
            key(
                "on_full",
                Kind::Choice(&["drop", "wait"]),
                "What a full queue does: \"drop\" serves the call and counts its row as lost, \"wait\" lets calls wait\nat the door until there is room.",
            ),
            key("retention_days", Kind::Whole, "Days a row is kept. 0: for ever."),
            key(
                "sample_successes",
                Kind::Share,
                "Share of successful calls that get a row, 0 to 1. Failures always get one; statistics and metrics\ncount every call.",
            ),
            key(
                "skip",
                Kind::List,
                "Services (\"grpc.health.v1.Health\") and methods (\"grpc.health.v1.Health/Check\") whose calls get neither\nrow nor line and are not in the statistics; metrics count them.",
            ),
        ],
    },
    Section {
        name: "calls",
        doc: "The limits of one call.",
        keys: &[
            key(
                "max_deadline",
                Kind::Duration,
                "Longest deadline a call may have: a longer grpc-timeout is cut to it, a call without one gets it.",
            )
            .example("\"1h\""),
            key("default_deadline", Kind::Duration, "Deadline of a call that sends no grpc-timeout.").example("\"30s\""),
            key(
                "max_in_flight",
                Kind::Whole,
                "Calls in flight at once, over all connections. The surplus is refused with RESOURCE_EXHAUSTED. 0: no\nlimit.",
            ),
        ],
    },
    Section {
        name: "auth",
        doc: "Who may call, and how callers prove who they are.",
        keys: &[
            key(
                "require_auth",
                Kind::Switch,
                "A method that no rule names needs an authenticated caller. Off: such a method keeps the site from\nstarting.",
            ),
            key(
                "public_methods",
                Kind::List,
                "What anyone may call: \"crypto.CryptoService/GetCoin\", \"crypto.CryptoService\", \"crypto.*\", \"*\". An app's own\nrules weigh more.",
            ),
            key(
                "secret_key",
                Kind::Text,
                "The site's secret key, which signs tokens (HS): at least 32 random bytes. Not set: in development and\ntest a random one that the database keeps; production refuses to start.\nA secret: may be \"env:NAME\" or \"file:PATH\" (relative to this file).",
            )
            .example("\"env:SECRET_KEY\"")
            .secret(),
            key("jwt_algorithm", Kind::Choice(&auth::ALGORITHMS), "What tokens made here are signed with."),
            key(
                "jwt_algorithms",
                Kind::Choices(&auth::ALGORITHMS),
                "What tokens may be signed with. Empty: jwt_algorithm alone.",
            ),
            key(
                "jwt_signing_key",
                Kind::Text,
                "The private key in PEM that signs, for RS, PS, ES and EdDSA. HS signs with the secret key. A secret.",
            )
            .example("\"file:keys/2026.pem\"")
            .secret(),
            key("jwt_key_id", Kind::Text, "The kid of tokens made here.").example("\"2026\""),
            key(
                "jwt_verifying_keys",
                Kind::Map,
                "Keys that verify, by kid: public keys in PEM, or HMAC secrets; of other issuers, and retired ones of this\nsite. Secrets, such as { 2025 = \"file:keys/2025.pub.pem\" }.",
            )
            .secret(),
            key("jwt_issuer", Kind::Text, "iss of tokens made here; when set, tokens must have it.").example("\"https://id.example.org\""),
            key("jwt_audience", Kind::Text, "aud of tokens made here; when set, tokens must have it.").example("\"orders\""),
            key("jwt_leeway", Kind::Duration, "How far the clocks of two machines may be apart."),
            key("access_lifetime", Kind::Duration, "How long an access token is good."),
            key("refresh_lifetime", Kind::Duration, "How long a refresh token is good; each can be used once."),
            key(
                "user_cache",
                Kind::Duration,
                "How long a user and their permissions are remembered. A change made by this process counts at once, one\nmade elsewhere within this time.",
            ),
            key(
                "password_hasher",
                Kind::Choice(&["argon2", "pbkdf2_sha256"]),
                "The format of new password hashes, both Django's. All of Django's are read, and become this one at login.",
            ),
            key("password_checks", Kind::Whole, "Password checks at once; further logins wait. 0: as many as there are cores."),
            key(
                "login_attempts",
                Kind::Whole,
                "Failed logins of one user from one address within login_window before further ones are refused, counted on each\nnode by itself; one address has ten times as many. 0: no limit.",
            ),
            key("login_window", Kind::Duration, "The time that failed logins are counted for."),
            key(
                "session_cookie",
                Kind::Text,
                "The cookie that names a browser session. Sites on one host, whatever their ports, need different ones.",
            ),
            key("session_lifetime", Kind::Duration, "How long a browser session lasts at most."),
            key("session_idle", Kind::Duration, "How long a browser session lasts without a request."),
            key(
                "session_secure",
                Kind::Switch,
                "Browsers send the cookie over TLS alone. Not set: in production, where a proxy must speak TLS.",
            )
            .example("true"),
            key("api_key_header", Kind::Text, "The metadata key that carries an API key."),
            key(
                "api_key_cache",
                Kind::Duration,
                "How long an API key is remembered. A change made by this process counts at once, one made elsewhere within\nthis time.",
            ),
            key(
                "accept_secret_key",
                Kind::Switch,
                "Take the secret key as an API key of the first active superuser. The site starts with it in\ndevelopment only.",
            ),
        ],
    },
    Section {
        name: "cache",
        doc: "Values that are kept for a while, for all who ask.",
        keys: &[
            key(
                "url",
                Kind::Text,
                "memory:// (each process for itself), redis://:password@host:6379/0 or rediss://… (TLS), which all nodes share.\nA secret: may be \"env:NAME\" or \"file:PATH\" (relative to this file).",
            )
            .secret(),
            key(
                "max_bytes",
                Kind::Bytes,
                "Memory that memory:// takes; what was used least recently leaves first. Redis has its own maxmemory.",
            ),
            key("max_value_bytes", Kind::Bytes, "The largest value. A larger one is refused, or computed each time."),
            key("prefix", Kind::Text, "What keeps sites apart that share a Redis. Not set: the site's name.").example("\"shop\""),
            key("timeout", Kind::Duration, "Time Redis has for an answer. After it the site goes on without, until Redis is back."),
            key(
                "ca",
                Kind::Text,
                "Certificates in PEM that vouch for the Redis of rediss://. Not set: those of the system. May be \"file:PATH\".",
            )
            .example("\"file:keys/redis-ca.pem\"")
            .secret(),
        ],
    },
    Section {
        name: "bus",
        doc: "How nodes reach each other's clients.",
        keys: &[
            key(
                "url",
                Kind::Text,
                "NATS brokers: nats://user:password@host:4222, several with commas, tls:// for TLS. Not set: one process,\nwhich needs none.\nA secret: may be \"env:NAME\" or \"file:PATH\" (relative to this file).",
            )
            .example("\"nats://127.0.0.1:4222\"")
            .secret(),
            key("token", Kind::Text, "A token, for brokers that want one in place of user and password. A secret.")
                .example("\"env:NATS_TOKEN\"")
                .secret(),
            key("site", Kind::Text, "The site's name on the broker. Sites that share a broker must have different ones."),
            key("required", Kind::Switch, "Start, and be ready, only with a broker. Off: go on without, for the clients of this process."),
            key(
                "connect_timeout",
                Kind::Duration,
                "Time a connection to a broker may take; the start waits so long for the first.",
            ),
            key(
                "ping_interval",
                Kind::Duration,
                "How often a broker is asked for a sign of life. Three without one end the connection.",
            ),
            key(
                "settle",
                Kind::Duration,
                "Time after a connection in which a client that is nowhere is UNAVAILABLE, since others may still be\nreconnecting, and not FAILED_PRECONDITION.",
            ),
            key(
                "register_timeout",
                Kind::Duration,
                "Time a broker has to confirm a client's registration. Until it does, this process alone reaches the client.",
            ),
            key("max_waiting", Kind::Whole, "Commands to clients of other nodes that may wait for an answer at once."),
            key("tls_ca", Kind::Text, "Certificates in PEM that the broker's must be signed by. Not set: the system's.")
                .example("\"keys/ca.pem\""),
            key("tls_certificate", Kind::Text, "The certificate in PEM that this node shows to the broker.")
                .example("\"keys/node.pem\""),
            key("tls_key", Kind::Text, "The path of its private key in PEM.").example("\"keys/node.key\""),
        ],
    },
    Section {
        name: "centrifugo",
        doc: "Publications to browsers, through Centrifugo.",
        keys: &[
            key("url", Kind::Text, "Where Centrifugo's HTTP API is, without /api. Not set: nothing is published.")
                .example("\"http://127.0.0.1:8000\""),
            key(
                "api_key",
                Kind::Text,
                "Its API key. A secret: may be \"env:NAME\" or \"file:PATH\" (relative to this file).",
            )
            .example("\"env:CENTRIFUGO_API_KEY\"")
            .secret(),
            key("timeout", Kind::Duration, "Time one request may take, with its connection."),
            key("queue", Kind::Whole, "Publications that may wait. When there are more, the oldest are dropped and counted."),
            key("queue_bytes", Kind::Bytes, "Bytes of publications that may wait, as above."),
            key("batch", Kind::Whole, "Publications of one request, 1 to 1000."),
            key("max_age", Kind::Duration, "Age at which a publication that could not be delivered is dropped and counted."),
            key("breaker_failures", Kind::Whole, "Failed requests in a row after which Centrifugo is left alone for a while."),
            key("breaker_rest", Kind::Duration, "That while; then one request tries."),
            key("drain", Kind::Duration, "Time that waiting publications have when the site stops."),
            key(
                "call_events",
                Kind::Choices(&["start", "end", "error"]),
                "Calls that are published: when they start, end well, fail.",
            ),
            key(
                "call_channel",
                Kind::Text,
                "Where their starts and ends go. {service} and {method} are filled in; levels are separated by : and never #.",
            ),
            key("error_channel", Kind::Text, "Where their failures go."),
        ],
    },
    Section {
        name: "node",
        doc: "How a server tells the others of its site that it lives.",
        keys: &[
            key(
                "heartbeat_interval",
                Kind::Duration,
                "Time between two heartbeats, 1s to 1h. A server that has missed three is taken for dead.",
            ),
            key("keep", Kind::Duration, "Time for which a server is listed after its last heartbeat."),
        ],
    },
    Section {
        name: "streams",
        doc: "Clients that stay connected. What a service promises them is its own business; these are the limits of a node.",
        keys: &[
            key(
                "max_sessions",
                Kind::Whole,
                "Clients connected to one node at once. They do not count in calls.max_in_flight. 0: no limit.",
            ),
            key(
                "max_sessions_per_principal",
                Kind::Whole,
                "Of one caller: a user, an API key, or an address without credentials. 0: no limit.",
            ),
            key("flush_interval", Kind::Duration, "How often what happened to clients is written to the tables."),
            key("refresh_interval", Kind::Duration, "How often the row of a connected client is brought up to date."),
            key(
                "keep",
                Kind::Duration,
                "How long events, and rows of clients that are away, are kept. \"0s\": for ever.",
            ),
        ],
    },
    Section {
        name: "admin",
        doc: "The pages for people who run the site, on the HTTP listener.",
        keys: &[
            key("enabled", Kind::Switch, "Serve them."),
            key("path", Kind::Text, "Where they are."),
            key(
                "templates",
                Kind::Text,
                "The folder, as seen from where the site is started, whose admin/*.html take the place of the admin's own\ntemplates.",
            ),
        ],
    },
    Section {
        name: "apps",
        doc: "Which apps and services are served.",
        keys: &[
            key("enabled_apps", Kind::List, "Labels of the apps to serve. Not set: all of them.").example("[\"crypto\"]"),
            key("auto_register_apps", Kind::Switch, "Serve every service that the build found in the enabled apps."),
            key(
                "custom_services",
                Kind::Map,
                "What is served when auto_register_apps = false: name = full service name, or path of its\nimplementation, such as { crypto = \"crypto.CryptoService\" }.",
            ),
        ],
    },
];
