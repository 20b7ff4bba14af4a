//! The access of each method, found at start.
//!
//! Rules come from three places. What an app says in code weighs most, then `auth.public_methods`, then what Steeple
//! itself says of its own services; within one place the rule that says more (method, service, package, all) counts. What
//! no rule covers is for authenticated callers while `auth.require_auth` is on, and keeps the site from starting while
//! it is off. Configuration cannot open what code closes: naming such a method in `public_methods` is a contradiction.

use serde::Serialize;

use super::{Access, Config, pattern::Pattern};

/// Who said it; the earlier weighs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Code,
    Configuration,
    Steeple,
}

#[derive(Debug)]
struct Rule {
    rank: Rank,
    /// The app whose services it is about; `None`: all of them.
    app: Option<&'static str>,
    pattern: Pattern,
    access: Access,
    from: String,
}

impl Rule {
    fn fits(&self, app: &str, service: &str, method: &str) -> bool {
        self.app.is_none_or(|own| own == app) && self.pattern.fits(service, method)
    }
}

/// The rules of a site.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    default: Option<Access>,
    /// What must be closed to those who are nobody, by app.
    closed: Vec<(&'static str, Pattern)>,
    problems: Vec<String>,
}

/// The access of one method, and which rule said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What a caller must be.
    pub access: Access,
    /// Where that was said: `app orders`, `auth.public_methods`, `auth.require_auth`, `steeple`.
    pub access_from: String,
}

/// A method, as rules see it: the label of its app, the full name of its service, its own name.
pub type Named<'a> = (&'a str, &'a str, &'a str);

impl Policy {
    /// The rules that the configuration has.
    pub fn new(config: &Config) -> Self {
        let default = config.require_auth.then_some(Access::Authenticated);
        let mut policy = Self { rules: vec![], default, closed: vec![], problems: vec![] };
        for text in &config.public_methods {
            policy.add(Rank::Configuration, None, text, Access::Public, "auth.public_methods".to_owned());
        }
        policy
    }

    /// Adds what an app says of its own services. `*` is all of them.
    pub fn app(&mut self, label: &'static str, pattern: &str, access: Access) {
        self.add(Rank::Code, Some(label), pattern, access, format!("app {label}"));
    }

    /// Adds a promise of an app: no method of these of its own services is public.
    pub fn auth_required(&mut self, label: &'static str, pattern: &str) {
        // One that cannot be read is told as a rule, which it is too.
        self.closed.extend(Pattern::read(pattern).ok().map(|pattern| (label, pattern)));
    }

    /// Adds what Steeple says of its own services.
    pub fn steeple(&mut self, pattern: &str, access: Access) {
        self.add(Rank::Steeple, None, pattern, access, "steeple".to_owned());
    }

    fn add(&mut self, rank: Rank, app: Option<&'static str>, text: &str, access: Access, from: String) {
        match Pattern::read(text) {
            Ok(pattern) => self.rules.push(Rule { rank, app, pattern, access, from }),
            Err(wrong) => self.problems.push(format!("{from}: {wrong}")),
        }
    }

    /// The access of a method; `None` when no rule covers it.
    pub fn decide(&self, (app, service, method): Named<'_>) -> Option<Decision> {
        let fitting = self.rules.iter().filter(|rule| rule.fits(app, service, method));
        // Of two equal ones the later counts, as later lines of code do.
        let rule = fitting.max_by_key(|rule| (std::cmp::Reverse(rule.rank), rule.pattern.weight()));
        match (rule, &self.default) {
            (Some(rule), _) => Some(Decision { access: rule.access.clone(), access_from: rule.from.clone() }),
            (None, Some(access)) => {
                Some(Decision { access: access.clone(), access_from: "auth.require_auth".to_owned() })
            }
            (None, None) => None,
        }
    }

    /// Everything that keeps the site from starting, given the methods it serves and the names it knows besides: rules
    /// that cannot be read, that are about nothing or contradict code, and methods without a rule.
    pub fn problems(&self, served: &[Named<'_>], known: impl Fn(&str) -> bool) -> Vec<String> {
        let mut problems = self.problems.clone();
        for rule in self.rules.iter().filter(|rule| rule.rank != Rank::Steeple && rule.pattern != Pattern::All) {
            let about = |named: &&Named<'_>| rule.fits(named.0, named.1, named.2);
            let (from, pattern) = (&rule.from, &rule.pattern);
            if !served.iter().any(|named| about(&named)) {
                if !matches!(pattern, Pattern::Service(service) if known(service)) {
                    let names = services(served, rule.app).join(", ");
                    problems.push(format!("{from}: {pattern} is no method that is served; the services are: {names}"));
                }
                continue;
            }
            if rule.rank == Rank::Configuration && rule.pattern.is_exact() {
                let closed = served.iter().filter(about).filter_map(|named| Some((named, self.decide(*named)?)));
                let mut closed = closed.filter(|(_, decision)| decision.access != Access::Public);
                if let Some(((_, service, method), decision)) = closed.next() {
                    problems.push(format!(
                        "{from}: {pattern} cannot be public, because {} says that {service}/{method} is for {}; change the one or the other",
                        decision.access_from, decision.access
                    ));
                }
            }
        }
        problems.extend(self.opened(served));
        for named in served.iter().filter(|named| self.decide(**named).is_none()) {
            let (app, service, method) = named;
            problems.push(format!(
                "no rule says who may call {service}/{method}: give app {app} one (`app.access(\"{service}/{method}\", Access::…)`), name it in auth.public_methods, or turn auth.require_auth on"
            ));
        }
        problems
    }
}

impl Policy {
    /// Methods that are public although their app promised that none of theirs is.
    fn opened(&self, served: &[Named<'_>]) -> Vec<String> {
        let promised = |(app, service, method): &Named<'_>| {
            self.closed.iter().find(|(label, pattern)| label == app && pattern.fits(service, method))
        };
        let opened = served.iter().filter_map(|named| {
            let (_, pattern) = promised(named)?;
            let decision = self.decide(*named).filter(|decision| decision.access == Access::Public)?;
            let (app, service, method) = named;
            Some(format!(
                "app {app} promises that {pattern} needs a caller who is logged in (auth_required), and {} says that {service}/{method} is public; change the one or the other",
                decision.access_from
            ))
        });
        opened.collect()
    }
}

fn services<'a>(served: &[Named<'a>], app: Option<&str>) -> Vec<&'a str> {
    let own = served.iter().filter(|named| app.is_none_or(|app| app == named.0));
    let mut names: Vec<_> = own.map(|named| named.1).collect();
    names.dedup();
    names
}
