//! Real Django 5 over the same database: either migrates first, either makes users, both let them in.
//!
//! Runs when `STEEPLE_TEST_DJANGO_PYTHON` names a Python with Django (`demo/clients/django/run --python` makes one).

use std::{
    path::Path,
    process::{Command, Output},
};

use steeple::db::migrate;

use super::{tables::schema, *};
use crate::databases::{on_every_database, skipped};

/// The project in `demo/clients/django`, over a test's database.
#[derive(Clone)]
struct Django {
    python: String,
    url: String,
    variables: Vec<(&'static str, &'static str)>,
}

impl Django {
    fn over(database: &Database) -> Option<Self> {
        let variable = "STEEPLE_TEST_DJANGO_PYTHON";
        let Ok(python) = std::env::var(variable) else {
            skipped(variable);
            return None;
        };
        Some(Self { python, url: database.url().to_owned(), variables: vec![] })
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    fn manage(&self, arguments: &[&str]) -> Output {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/clients/django");
        let mut command = Command::new(&self.python);
        command.current_dir(project).arg("manage.py").args(arguments).env("DJANGO_DATABASE_URL", &self.url);
        command.env("PYTHONDONTWRITEBYTECODE", "1").envs(self.variables.iter().copied());
        command.output().expect("python runs")
    }

    /// What `manage.py` prints; it must succeed.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.manage(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    /// What a few lines of Python print, with Django's models at hand.
    fn runs(&self, code: &str) -> String {
        let head = "from django.contrib.auth import authenticate, hashers\n\
                    from django.contrib.auth.models import Group, Permission, User\n";
        self.says(&["shell", "--no-imports", "-v", "0", "-c", &format!("{head}{code}")])
    }

    /// Nothing is left to do for it.
    fn is_content(&self) {
        self.says(&["migrate", "--check", "-v", "0"]);
        self.says(&["makemigrations", "--check", "--dry-run", "-v", "0"]);
    }
}

/// Users made here get into Django, and the other way round.
async fn both_let_them_in(django: &Django, db: &Db) {
    let users = Users::new(db.clone(), &config());

    // Ours, there.
    for (username, hasher) in [("argon", Hasher::Argon2), ("pbkdf", Hasher::Pbkdf2Sha256)] {
        let users = Users::new(db.clone(), &hashing_by(hasher));
        let made =
            users.create(NewUser { is_superuser: true, is_staff: true, ..with_password(username) }).await.unwrap();
        let code = format!(
            "u = authenticate(username={username:?}, password={PASSWORD:?})\n\
             print(u.pk, u.is_superuser, u.has_perm('crypto.add_coin'), hashers.check_password('x', u.password), u.last_login)\n\
             print(authenticate(username={username:?}, password='wrong'))"
        );
        assert_eq!(django.runs(&code), format!("{} True True False None\nNone", made.id));
        // Django's own default is another than argon2: it has upgraded, and we still read it.
        assert!(users.verify(username, PASSWORD).await.unwrap().unwrap().is_superuser);
    }

    // Theirs, here. PBKDF2 with SHA-1 takes half a minute without optimisation; a unit test has one.
    django.runs(&format!(
        "for name in ['pbkdf2_sha256', 'argon2', 'scrypt', 'bcrypt_sha256', 'bcrypt']:\n\
         \x20   u = User.objects.create_superuser(name, 'Root@Example.ORG', None)\n\
         \x20   u.password = hashers.make_password({PASSWORD:?}, hasher=name)\n\
         \x20   u.save()"
    ));
    for name in ["pbkdf2_sha256", "argon2", "scrypt", "bcrypt_sha256", "bcrypt"] {
        let user = users.verify(name, PASSWORD).await.unwrap().unwrap_or_else(|| panic!("{name} is let in"));
        assert!(user.is_superuser && user.is_staff && user.email == "Root@example.org");
    }
    let upgraded = "print({u.password.split('$')[0] for u in User.objects.exclude(username='pbkdf')})";
    assert_eq!(django.runs(upgraded), "{'argon2'}", "upgraded at login here");

    // What either sets, the other sees: moments in order, flags, no password.
    let times = "print([u.username for u in User.objects.order_by('date_joined')][:3], \
                 User.objects.filter(last_login__gte=User.objects.get(username='argon').date_joined).count())";
    assert_eq!(django.runs(times), "['argon', 'pbkdf', 'pbkdf2_sha256'] 7");
    let id = i64::from(make(&users, "plain").await.id);
    assert_eq!(django.runs("print(User.objects.get(username='plain').has_usable_password())"), "False");
    assert!(users.active(id).await.unwrap().is_some());
    django.runs("User.objects.filter(username='plain').update(is_active=False)");
    users.forget(id);
    assert_eq!(users.active(id).await.unwrap(), None);
    users.set_active(id, true).await.unwrap();
    assert_eq!(django.runs("print(User.objects.get(username='plain').is_active)"), "True");
}

/// Groups and permissions given on either side count on the other.
async fn both_count_grants(django: &Django, db: &Db) {
    let users = Users::new(db.clone(), &config());
    let id = i64::from(make(&users, "miner").await.id);
    users.create_group("Miners").await.unwrap();
    users.grant_to_group("Miners", "crypto.add_coin").await.unwrap();
    users.add_to_group(id, "Miners").await.unwrap();
    users.grant(id, "library.view_book").await.unwrap();
    let sees = "u = User.objects.get(username='miner')\n\
                print(sorted(u.get_all_permissions()), [g.name for g in u.groups.all()])";
    assert_eq!(django.runs(sees), "['crypto.add_coin', 'library.view_book'] ['Miners']");

    django.runs(
        "u = User.objects.get(username='miner')\n\
         g = Group.objects.create(name='Readers')\n\
         g.permissions.add(Permission.objects.get(codename='change_book'))\n\
         u.groups.add(g)\n\
         u.user_permissions.add(Permission.objects.get(codename='delete_coin'))\n\
         u.user_permissions.remove(Permission.objects.get(codename='view_book'))",
    );
    users.forget(id);
    let permissions = users.active(id).await.unwrap().unwrap().permissions.clone();
    let expected = ["crypto.add_coin", "crypto.delete_coin", "library.change_book"];
    assert_eq!(permissions, expected.map(str::to_owned).into());
    users.revoke(id, "crypto.delete_coin").await.unwrap();
    users.remove_from_group(id, "Readers").await.unwrap();
    assert_eq!(django.runs(sees), "['crypto.add_coin'] ['Miners']");
    assert!(users.delete(id).await.unwrap());
    assert_eq!(django.runs("print(User.objects.filter(username='miner').count())"), "0");
}

on_every_database! {
    async fn steeple_may_migrate_first(database: Database) {
        let Some(django) = Django::over(&database) else { return };
        let db = migrated(&database).await;
        let ours = schema(&db).await;
        let said = django.says(&["migrate"]);
        assert!(said.contains("Applying library.0001_initial... OK") && !said.contains("Applying auth."), "{said}");
        django.is_content();
        assert_eq!(schema(&db).await, ours, "Django changed nothing");
        let again = server().migrate(&db, Environment::Production).await.unwrap();
        assert_eq!(again, Vec::<String>::new());
        both_let_them_in(&django, &db).await;
        both_count_grants(&django, &db).await;
        django.is_content();
    }

    async fn django_may_migrate_first(database: Database) {
        let Some(django) = Django::over(&database) else { return };
        django.says(&["migrate"]);
        let db = database.connect().await;
        let theirs = schema(&db).await;
        let applied = server().migrate(&db, Environment::Production).await.unwrap();
        assert!(applied.contains(&"steeple_auth.0001_django_auth".to_owned()), "{applied:?}");
        assert_eq!(schema(&db).await, theirs, "nothing changed");
        let command = ["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.org"];
        let with_password = Django { variables: vec![("DJANGO_SUPERUSER_PASSWORD", PASSWORD)], ..django.clone() };
        with_password.says(&command);
        let users = Users::new(db.clone(), &config());
        assert_eq!(users.verify("root", "wrong").await.unwrap(), None);
        assert!(users.verify("root", PASSWORD).await.unwrap().unwrap().is_superuser);
        both_count_grants(&django, &db).await;
        django.is_content();
    }

    async fn either_makes_the_same_tables(database: Database) {
        let Some(django) = Django::over(&database) else { return };
        django.says(&["migrate"]);
        let theirs = schema(&database.connect().await).await;
        let other = match database.url().split(':').next() {
            Some("sqlite") => Database::sqlite().await,
            Some("mysql") => Database::mysql().await,
            _ => Database::postgres().await,
        };
        assert_eq!(schema(&migrated(&other.unwrap()).await).await, theirs);
    }

    async fn an_older_kind_of_keys_is_served_too(database: Database) {
        let Some(django) = Django::over(&database) else { return };
        let django = django.with("DJANGO_AUTO_FIELD", "django.db.models.AutoField");
        django.says(&["migrate"]);
        let db = migrated(&database).await;
        both_count_grants(&django, &db).await;
        django.is_content();
    }

    async fn a_user_model_of_a_projects_own_is_refused(database: Database) {
        let Some(django) = Django::over(&database) else { return };
        is_refused(&database, &django.with("DJANGO_OWN_USER", "people_person")).await;
    }

    async fn a_user_model_of_a_projects_own_is_refused_under_djangos_name_too(database: Database) {
        let Some(django) = Django::over(&database) else { return };
        is_refused(&database, &django.with("DJANGO_OWN_USER", "auth_user")).await;
    }
}

async fn is_refused(database: &Database, django: &Django) {
    let db = database.connect().await;
    django.says(&["migrate"]);
    let before = schema(&db).await;
    let all = steeple::auth::migrations::migrations();
    let error = migrate::up(&db, &all).await.expect_err("refused").to_string();
    assert!(error.contains("AUTH_USER_MODEL") && error.ends_with("use another database"), "{error}");
    assert_eq!(schema(&db).await, before);
    django.is_content();
}
