//! What becomes of an error: the table of seed 000, and what the caller can read of it.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbErr};
use steeple::{Code, Db, Error, Next, Request, Response, Result};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    databases::{Database, on_every_database},
    trial::{House, pb::trial::v1::Order},
};

/// The error that this statement becomes in a service.
async fn refused(db: &Db, statement: &str) -> Error {
    async fn service(db: &Db, statement: &str) -> Result<()> {
        db.execute_unprepared(statement).await?;
        Ok(())
    }
    service(db, statement).await.expect_err(statement)
}

on_every_database! {
    async fn what_a_database_refuses_has_its_code_and_its_text_stays_in_the_cause(database: Database) {
        let db = database.connect().await;
        let made = [
            "CREATE TABLE owner (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE)",
            "CREATE TABLE pet (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL, FOREIGN KEY (owner_id) REFERENCES owner (id))",
            "INSERT INTO owner (id, name) VALUES (1, 'secret-4711')",
            "INSERT INTO pet (id, owner_id) VALUES (1, 1)",
        ];
        for statement in made {
            db.execute_unprepared(statement).await.unwrap();
        }
        for (statement, code) in [
            ("INSERT INTO owner (id, name) VALUES (2, 'secret-4711')", Code::AlreadyExists),
            ("INSERT INTO owner (id, name) VALUES (1, 'other')", Code::AlreadyExists),
            ("INSERT INTO pet (id, owner_id) VALUES (2, 4711)", Code::FailedPrecondition),
            ("DELETE FROM owner WHERE id = 1", Code::FailedPrecondition),
            ("SELECT secret_4711 FROM owner", Code::Internal),
        ] {
            let error = refused(&db, statement).await;
            assert_eq!(error.code(), code, "{statement}: {error:?}");
            assert!(!error.message().contains("4711") && !error.message().contains("owner"), "{error}");
            assert!(error.cause().unwrap().downcast_ref::<DbErr>().is_some());
            assert!(error.for_log().len() > error.message().len(), "the log knows why: {}", error.for_log());
        }
        db.close().await;
        let mut error = refused(&db, "SELECT 1").await;
        assert_eq!(error.code(), Code::Unavailable, "{error:?}");
        assert!(error.details_mut().retry_info().is_some(), "a caller may try again, and is told when");
    }
}

#[tokio::test]
async fn a_lost_race_for_the_lock_is_aborted_and_may_be_retried() {
    let database = Database::sqlite().await.unwrap();
    let config = steeple::db::Config { busy_timeout: Duration::from_millis(20), ..database.config() };
    let db = Db::connect(&config, 4).await.unwrap();
    db.execute_unprepared("CREATE TABLE t (id INTEGER)").await.unwrap();
    let held = db.transaction(async |held: Db| {
        held.execute_unprepared("INSERT INTO t VALUES (1)").await?;
        Ok::<_, Error>(refused(&db, "INSERT INTO t VALUES (2)").await)
    });
    let mut error = held.await.unwrap();
    assert_eq!(error.code(), Code::Aborted, "{error:?}");
    assert!(error.details_mut().retry_info().is_some());
}

#[tokio::test]
async fn a_foreign_error_has_the_code_of_the_table() {
    use std::io::{Error as Io, ErrorKind};
    let elapsed = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
    let boxed: Box<dyn std::error::Error + Send + Sync> = "secret-4711".into();
    let table: [(Error, Code); 16] = [
        // ValidationError
        ("x".parse::<i32>().unwrap_err().into(), Code::InvalidArgument),
        ("x".parse::<f64>().unwrap_err().into(), Code::InvalidArgument),
        ("x".parse::<bool>().unwrap_err().into(), Code::InvalidArgument),
        ("x".parse::<uuid::Uuid>().unwrap_err().into(), Code::InvalidArgument),
        ("x".parse::<rust_decimal::Decimal>().unwrap_err().into(), Code::InvalidArgument),
        ("x".parse::<chrono::NaiveDate>().unwrap_err().into(), Code::InvalidArgument),
        (u8::try_from(300_i32).unwrap_err().into(), Code::InvalidArgument),
        (String::from_utf8(vec![0xff]).unwrap_err().into(), Code::InvalidArgument),
        // ObjectDoesNotExist
        (DbErr::RecordNotFound("secret-4711".to_owned()).into(), Code::NotFound),
        (DbErr::RecordNotUpdated.into(), Code::NotFound),
        (sqlx::Error::RowNotFound.into(), Code::NotFound),
        // TimeoutError
        (elapsed.into(), Code::DeadlineExceeded),
        (Io::new(ErrorKind::TimedOut, "secret-4711").into(), Code::DeadlineExceeded),
        // Exception
        (Io::new(ErrorKind::NotFound, "secret-4711").into(), Code::Internal),
        (serde_json::from_str::<u8>("\"secret-4711\"").unwrap_err().into(), Code::Internal),
        (boxed.into(), Code::Internal),
    ];
    for (error, code) in table {
        assert_eq!(error.code(), code, "{error:?}");
        assert!(!error.message().contains("4711"), "{error}");
        assert!(error.cause().is_some(), "{error:?}");
    }
}

/// Refuses in the way that the metadata ask for.
async fn fail(request: Request, _: Next) -> Result<Response> {
    Err(match request.metadata("x-fail").unwrap_or_default() {
        "fields" => Error::invalid("symbol", "may not be empty").violation("amount", "must be above 0"),
        "info" => Error::permission_denied("not your wallet").reason("NOT_OWNER", "crypto"),
        "retry" => Error::unavailable("not now").retry_after(Duration::from_millis(1500)),
        "missing" => Error::not_found("coin", "BTC"),
        "taken" => Error::already_exists("coin", "BTC"),
        "more" => {
            let mut error = Error::failed_precondition("no terms").because("secret-4711");
            error.details_mut().add_precondition_failure_violation("TOS", "terms", "not accepted");
            error
        }
        _ => {
            let mut details = ErrorDetails::new();
            details.set_error_info("QUOTA", "upstream", std::collections::HashMap::new());
            let mut status = Status::with_error_details(Code::ResourceExhausted, "upstream says no", details);
            status.metadata_mut().insert("x-upstream", "eu-1".parse().expect("ascii"));
            Error::from(status)
        }
    })
}

async fn told(house: &House, how: &'static str) -> Status {
    let mut request = tonic::Request::new(Order::default());
    request.metadata_mut().insert("x-fail", how.parse().unwrap());
    request.metadata_mut().insert("x-request-id", "mine-1".parse().unwrap());
    house.client().await.unary(request).await.unwrap_err()
}

#[tokio::test]
async fn a_client_can_read_the_details() {
    let house = House::with(|server| server.intercept("fail", fail), |_| ()).await;

    let status = told(&house, "fields").await;
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "symbol: may not be empty"));
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let violations: Vec<_> = violations.iter().map(|one| (one.field.as_str(), one.description.as_str())).collect();
    assert_eq!(violations, [("symbol", "may not be empty"), ("amount", "must be above 0")]);

    let info = told(&house, "info").await.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NOT_OWNER", "crypto"));
    let retry = told(&house, "retry").await.get_details_retry_info().unwrap();
    assert_eq!(retry.retry_delay, Some(Duration::from_millis(1500)));

    for (how, code, text) in
        [("missing", Code::NotFound, "coin BTC not found"), ("taken", Code::AlreadyExists, "coin BTC already exists")]
    {
        let status = told(&house, how).await;
        assert_eq!((status.code(), status.message()), (code, text));
        let resource = status.get_details_resource_info().unwrap();
        assert_eq!((resource.resource_type.as_str(), resource.resource_name.as_str()), ("coin", "BTC"));
    }

    let status = told(&house, "more").await;
    assert_eq!(status.get_details_precondition_failure().unwrap().violations.len(), 1);
    assert_eq!(status.get_details_request_info().unwrap().request_id, "mine-1");
    assert!(!format!("{status:?}").contains("4711"));
}

#[tokio::test]
async fn a_status_from_elsewhere_passes_as_it_is() {
    let house = House::with(|server| server.intercept("fail", fail), |_| ()).await;
    let status = told(&house, "upstream").await;
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "upstream says no"));
    assert_eq!(status.get_details_error_info().unwrap().reason, "QUOTA");
    assert_eq!(status.metadata().get("x-upstream").unwrap(), "eu-1");
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "mine-1");
    let rows = house.close().await;
    assert_eq!(rows[0].grpc_status_code.as_deref(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(rows[0].error_message.as_deref(), Some("upstream says no"));
}
