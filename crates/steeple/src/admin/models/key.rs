//! The key of a row as a part of an address: the parts of a composite key with commas between them.

use serde_json::Value as Json;

use super::{cells::text, subject::Subject};
use crate::{
    admin::fields::escaped,
    error::{Error, Result},
    model::Row,
};

impl Subject {
    /// The key of a row, as text.
    pub fn key_of(&self, row: &Row) -> String {
        let parts: Vec<_> =
            self.model().keys().map(|field| row.get(field.name).map(text).unwrap_or_default()).collect();
        match parts.as_slice() {
            [one] => one.clone(),
            // A comma within a part is not one between two.
            many => many.iter().map(|part| escaped(part)).collect::<Vec<_>>().join(","),
        }
    }

    /// Where a row is, below the admin's own address.
    pub fn path_of(&self, row: &Row) -> String {
        // Users and groups have shorter addresses.
        let rows = if self.path.starts_with("/models/") { "/rows" } else { "" };
        format!("{}{rows}/{}", self.path, escaped(&self.key_of(row)))
    }

    /// The key that such a text means.
    ///
    /// # Errors
    /// NOT_FOUND: nothing has a key of this form.
    pub fn key(&self, key: &str) -> Result<Row> {
        let fields: Vec<_> = self.model().keys().collect();
        let parts: Vec<String> = if fields.len() == 1 {
            vec![key.to_owned()]
        } else {
            let decoded = key.split(',').map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy());
            decoded.map(std::borrow::Cow::into_owned).collect()
        };
        if parts.len() != fields.len() {
            return Err(self.unknown(key));
        }
        Ok(fields.iter().zip(parts).map(|(field, part)| (field.name.to_owned(), Json::String(part))).collect())
    }

    /// There is no such row.
    pub fn unknown(&self, key: &str) -> Error {
        Error::not_found(self.one.to_lowercase(), key.chars().take(100).collect::<String>())
    }
}
