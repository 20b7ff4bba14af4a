//! The admin, asked through a socket as a browser does: pages, forms, and what must not get through.

mod bad_input;
mod commands;
mod models;
mod people;
mod templates;

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, sync::Arc};

use steeple::{User, auth::NewUser};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{databases::Database, site::Site};

/// A page, or where one was sent.
#[derive(Debug)]
struct Page {
    status: u16,
    head: String,
    body: String,
}

impl Page {
    /// A header's value.
    fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.filter(|(known, _)| *known == name).map(|pair| pair.1).next()
    }

    fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("{self:?}"))
    }

    #[track_caller]
    fn has(&self, text: &str) -> &Self {
        assert!(self.body.contains(text), "no {text:?} in {} {}", self.status, self.body);
        self
    }

    #[track_caller]
    fn lacks(&self, text: &str) -> &Self {
        assert!(!self.body.contains(text), "{text:?} is in {}", self.body);
        self
    }

    #[track_caller]
    fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{} {}", self.head, self.body);
        self
    }

    /// The fields of the page's largest form, as a browser would send them back.
    fn form(&self) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        for tag in self.body.split('<').filter_map(|part| part.split('>').next()) {
            let attribute = |name: &str| {
                let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
                Some(unescaped(rest.split('"').next()?))
            };
            let is_box = attribute("type").as_deref() == Some("checkbox");
            if !tag.starts_with("input ") || is_box && !tag.contains(" checked") {
                continue;
            }
            if let Some(name) = attribute("name") {
                let usual = if is_box { "on" } else { "" };
                fields.insert(name, attribute("value").unwrap_or_else(|| usual.to_owned()));
            }
        }
        for part in self.body.split("<select ").skip(1) {
            let name = part.split("name=\"").nth(1).and_then(|rest| rest.split('"').next());
            let options = part.split("</select>").next().unwrap_or_default();
            let chosen = options.split("<option").find(|option| option.contains(" selected"));
            let value =
                chosen.and_then(|option| option.split("value=\"").nth(1)).and_then(|rest| rest.split('"').next());
            if let (Some(name), Some(value)) = (name, value) {
                fields.insert(name.to_owned(), unescaped(value));
            }
        }
        fields
    }
}

fn unescaped(text: &str) -> String {
    let pairs = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    pairs.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)).replace("&amp;", "&")
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(byte.into());
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
        text
    })
}

/// Somebody with a browser.
struct Browser {
    address: SocketAddr,
    cookie: String,
    csrf: String,
}

impl Browser {
    async fn of(site: &Site, user: &User) -> Self {
        let new = site.running.identity().sessions.begin(user.id).await.unwrap();
        let cookie = new.cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        Self { address: site.running.http.unwrap(), cookie, csrf: new.session.csrf_token.expose().to_owned() }
    }

    async fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> Page {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (address, cookie, length) = (self.address, &self.cookie, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncookie: {cookie}\r\n\
             content-length: {length}\r\n{lines}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        // Templates escape slashes as well, which matters to nobody here.
        Page { status, head: head.to_owned(), body: body.replace("&#x2f;", "/") }
    }

    async fn get(&self, path: &str) -> Page {
        self.send("GET", &format!("/admin{path}"), "", "").await
    }

    /// Sends a form without adding anything.
    async fn post_as_is(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let lines = "content-type: application/x-www-form-urlencoded\r\n";
        self.send("POST", &format!("/admin{path}"), lines, &body.join("&")).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let with_token: Vec<_> = [("csrf_token", &*self.csrf)].into_iter().chain(fields.iter().copied()).collect();
        self.post_as_is(path, &with_token).await
    }

    /// Sends the form of a page, with these fields changed.
    async fn fill_in(&self, path: &str, page: &Page, changed: &[(&str, &str)]) -> Page {
        let mut form = page.form();
        form.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let fields: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.post_as_is(path, &fields).await
    }
}

/// The demo with an admin.
async fn site() -> Site {
    on(Database::sqlite().await.unwrap()).await
}

async fn on(database: Database) -> Site {
    Site::configured(database, |config| config.server.http = "127.0.0.1:0".into()).await
}

async fn superuser(site: &Site) -> (Arc<User>, Browser) {
    let new = NewUser { is_staff: true, is_superuser: true, ..NewUser::default() };
    let user = site.user("root", new, &[]).await;
    let browser = Browser::of(site, &user).await;
    (user, browser)
}

/// Somebody of staff with these permissions and no others.
async fn staff(site: &Site, username: &str, permissions: &[&str]) -> Browser {
    let user = site.user(username, NewUser { is_staff: true, ..NewUser::default() }, permissions).await;
    Browser::of(site, &user).await
}
