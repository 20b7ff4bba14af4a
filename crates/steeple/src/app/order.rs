//! The order in which apps migrate and fill their tables.
//!
//! Takes the apps as they stand in the site, and what each said with [`App::after`]; gives them with each app behind
//! those whose tables its own refer to, and otherwise as they stood.
//!
//! Must never: leave an app out.

use super::App;

/// The apps in their order; or each circle, and each app that one comes after and that is not there.
pub(crate) fn in_order(apps: &[App]) -> Result<Vec<&App>, Vec<String>> {
    let mut order = Order { apps, done: vec![], open: vec![], problems: vec![] };
    for app in apps {
        order.visit(app);
    }
    if order.problems.is_empty() { Ok(order.done) } else { Err(order.problems) }
}

struct Order<'a> {
    apps: &'a [App],
    done: Vec<&'a App>,
    /// Those that wait for what is being visited, outermost first.
    open: Vec<&'static str>,
    problems: Vec<String>,
}

impl<'a> Order<'a> {
    fn visit(&mut self, app: &'a App) {
        if self.done.iter().any(|done| done.label == app.label) {
            return;
        }
        if let Some(from) = self.open.iter().position(|label| *label == app.label) {
            let circle = self.open[from..].join(" after ");
            self.problems.push(format!("apps come after each other in a circle: {circle} after {}", app.label));
            return;
        }
        self.open.push(app.label);
        for label in &app.after {
            match self.apps.iter().find(|other| other.label == *label) {
                Some(other) => self.visit(other),
                None => self.problems.push(format!("app {} comes after app {label}, which there is not", app.label)),
            }
        }
        self.open.pop();
        self.done.push(app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(apps: &[App]) -> Result<Vec<&str>, Vec<String>> {
        Ok(in_order(apps)?.into_iter().map(|app| app.label).collect())
    }

    #[test]
    fn an_app_comes_behind_those_it_refers_to() {
        let apps = ["crypto", "orders", "products", "users"].map(App::new);
        assert_eq!(labels(&apps).unwrap(), ["crypto", "orders", "products", "users"]);
        let [crypto, orders, products, users] = apps;
        let apps = [crypto, orders.after("users").after("products"), products.after("users"), users];
        assert_eq!(labels(&apps).unwrap(), ["crypto", "users", "products", "orders"]);
    }

    #[test]
    fn what_cannot_be_is_told() {
        let alone = [App::new("orders").after("product")];
        assert_eq!(labels(&alone).unwrap_err(), ["app orders comes after app product, which there is not"]);
        let circle = [App::new("a").after("b"), App::new("b").after("c"), App::new("c").after("b")];
        assert_eq!(labels(&circle).unwrap_err(), ["apps come after each other in a circle: b after c after b"]);
        let itself = [App::new("a").after("a")];
        assert_eq!(labels(&itself).unwrap_err(), ["apps come after each other in a circle: a after a"]);
    }
}
