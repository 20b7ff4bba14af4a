//! A question's rows one part after the other, however many there are: what files are made of.
//!
//! Takes a question, gives parts in the order of the log, newest first, each by one look that is never long; see
//! [`within_reach`](super::RequestLog::within_reach). Must never: leave a row out or give one twice.

use sea_orm::DbErr;

use super::{Reach, RequestLog, RequestLogRow};
use crate::Db;

/// What of a question has not been read yet.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Everything that is left.
    rest: RequestLog,
    /// What of it is within reach, and where that ends; `None` before anyone looked.
    near: Option<(RequestLog, Option<Reach>)>,
}

impl RequestLog {
    /// The rows in parts.
    pub fn parts(self) -> Parts {
        Parts { rest: self, near: None }
    }
}

impl Parts {
    /// The next rows, at most `most` (and at least one), newest first, and what comes after them; `None` at the end. There
    /// may be more after a part without rows.
    ///
    /// # Errors
    /// The database's.
    pub async fn next(self, db: &Db, most: u64) -> Result<(Vec<RequestLogRow>, Option<Self>), DbErr> {
        let (near, reach) = match self.near {
            Some(near) => near,
            None => self.rest.clone().within_reach(db).await?,
        };
        let most = most.max(1);
        let rows = near.clone().limit(most).all(db).await?;
        let last = rows.last().filter(|_| rows.len() as u64 == most);
        let after = match (last, reach) {
            (Some(last), _) => Some(Self { near: Some((near.before(last.id), reach)), rest: self.rest }),
            (None, Some(reach)) => Some(self.rest.before(reach.before).parts()),
            (None, None) => None,
        };
        Ok((rows, after))
    }
}
