//! The numbers of everything, of each service and of each method.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Numbers, Part, Question, numbers::Sum};
use crate::{Db, Result, clock};

/// What the calls that ended in the last `hours` amount to. Calls that still run are not counted.
///
/// The time begins at a full minute; when it lies more than a week ago at a full hour, and later at a full day.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Statistics {
    /// The hours that were asked for.
    pub hours: u32,
    /// The numbers of all calls.
    #[serde(flatten)]
    pub all: Numbers,
    /// The numbers of each service that was called, by name.
    pub services: Vec<ServiceNumbers>,
    /// The numbers of each method that was called, by service and name.
    pub methods: Vec<MethodNumbers>,
}

impl std::ops::Deref for Statistics {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.all
    }
}

/// The numbers of one service.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ServiceNumbers {
    /// The full name: `crypto.CryptoService`; `(other)` for made-up paths.
    pub service_name: String,
    /// Its numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// When its last call ended.
    pub last_activity_at: clock::Time,
}

impl std::ops::Deref for ServiceNumbers {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.numbers
    }
}

/// The numbers of one method.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MethodNumbers {
    /// The full name: `crypto.CryptoService`; `(other)` for made-up paths.
    pub service_name: String,
    /// `GetCoin`.
    pub method_name: String,
    /// Its numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// When its last call ended.
    pub last_activity_at: clock::Time,
}

impl std::ops::Deref for MethodNumbers {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.numbers
    }
}

impl Question {
    /// The numbers of everything that is asked for, of each service and of each method.
    ///
    /// # Errors
    /// The database's.
    pub async fn statistics(&self, db: &Db) -> Result<Statistics> {
        let mut methods = BTreeMap::<(String, String), Sum>::new();
        let add =
            |part: Part| methods.entry((part.service_name.clone(), part.method_name.clone())).or_default().add(&part);
        self.each_part(db, self.span().portions(self.now), false, add).await?;
        let (mut all, mut services) = (Sum::default(), BTreeMap::<&str, Sum>::new());
        for ((service, _), sum) in &methods {
            all.merge(sum);
            services.entry(service).or_default().merge(sum);
        }
        let services = services.into_iter().map(|(name, sum)| ServiceNumbers {
            service_name: name.to_owned(),
            numbers: sum.numbers(),
            last_activity_at: sum.last(),
        });
        let services = services.collect();
        let methods = methods.into_iter().map(|((service_name, method_name), sum)| MethodNumbers {
            service_name,
            method_name,
            numbers: sum.numbers(),
            last_activity_at: sum.last(),
        });
        Ok(Statistics { hours: self.hours, all: all.numbers(), services, methods: methods.collect() })
    }
}
