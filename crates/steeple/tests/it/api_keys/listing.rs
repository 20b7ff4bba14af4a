//! Keys asked for by what is known of them, a page after another.

use steeple::auth::api_key::{KeyFilter, KeyState, KeyTotals, KeyType};

use super::*;
use crate::databases::on_every_database;

const ROOT: i64 = 4;

on_every_database! {
    async fn keys_are_narrowed_counted_and_paged_by_the_database(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let mut ids = Vec::new();
        for name in ["Billing", "billing 50%", "old", "gone", "off"] {
            ids.push(made(&keys, name).await.row.id);
        }
        let tool = NewApiKey { key_type: KeyType::Cli, ..NewApiKey::new(ROOT, "Ü tool") };
        let tool = keys.create(tool).await.unwrap().row;
        let past = if db.backend() == sea_orm::DbBackend::Postgres { "now() - interval '1 hour'" } else { "'2020-01-01 00:00:00'" };
        execute(&db, &format!("UPDATE steeple_api_key SET expires_at = {past}, request_count = 7 WHERE id = {}", ids[2])).await;
        keys.revoke(ids[3]).await.unwrap();
        keys.set_active(ids[4], false).await.unwrap();

        let names = async |filter: KeyFilter| {
            let rows = keys.page(&filter, 0, 100).await.unwrap();
            assert_eq!(keys.count(&filter).await.unwrap(), rows.len() as u64);
            rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
        };
        let state = |state| KeyFilter { state: Some(state), ..KeyFilter::default() };
        let text = |text: &str| KeyFilter { text: Some(text.to_owned()), ..KeyFilter::default() };
        assert_eq!(names(KeyFilter::default()).await, ["Ü tool", "off", "gone", "old", "billing 50%", "Billing"]);
        assert_eq!(names(state(KeyState::Valid)).await, ["Ü tool", "billing 50%", "Billing"]);
        assert_eq!(names(state(KeyState::Revoked)).await, ["off", "gone"]);
        assert_eq!(names(state(KeyState::Expired)).await, ["old"]);
        assert_eq!(names(KeyFilter { key_type: Some(KeyType::Cli), ..KeyFilter::default() }).await, ["Ü tool"]);
        assert_eq!(names(KeyFilter { is_active: Some(false), ..KeyFilter::default() }).await, ["off", "gone"]);
        assert_eq!(names(KeyFilter { user_id: Some(ROOT), ..KeyFilter::default() }).await, ["Ü tool"]);
        assert_eq!(names(text("BILL")).await, ["billing 50%", "Billing"]);
        assert_eq!(names(text("0%")).await, ["billing 50%"], "a per cent sign is itself");
        assert_eq!(names(text(" roo ")).await, ["Ü tool"], "by its owner");
        for part in [&*tool.key_prefix, &format!("stp_{}…", tool.key_prefix), &tool.key_prefix[2..].to_uppercase()] {
            assert!(names(text(part)).await.contains(&"Ü tool".to_owned()), "{part}");
        }
        assert_eq!(names(text("stp_")).await.len(), 6);
        assert_eq!(names(text("ü' OR 1=1")).await.len(), 0);
        let second: Vec<_> = keys.page(&KeyFilter::default(), 2, 2).await.unwrap().iter().map(|row| row.id).collect();
        assert_eq!(second, [ids[3], ids[2]]);
        let by_type = [("service", 5), ("cli", 1)].into_iter().collect();
        let totals = KeyTotals { all: 6, valid: 3, expired: 1, revoked: 1, requests: 7, by_type };
        assert_eq!(keys.totals().await.unwrap(), totals);
    }
}
