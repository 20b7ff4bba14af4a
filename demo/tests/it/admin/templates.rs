//! A site's own templates take the place of the admin's, and build on them.

use super::*;

#[tokio::test]
async fn a_sites_templates_take_the_place_of_the_admins() {
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("admin");
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(templates.join("brand.html"), "<b>Tower Bank</b>").unwrap();
    let overview =
        "{% extends \"steeple/overview.html\" %}{% block heading %}Good morning, {{ page.user }}{% endblock %}";
    std::fs::write(templates.join("overview.html"), overview).unwrap();
    std::fs::write(templates.join("servers.html"), "{% for %}").unwrap();
    let database = Database::sqlite().await.unwrap();
    let site = Site::configured(database, |config| {
        config.server.http = "127.0.0.1:0".into();
        config.admin.templates = folder.path().display().to_string();
    })
    .await;
    let (_, root) = superuser(&site).await;
    root.get("/").await.is(200).has("<b>Tower Bank</b>").has("Good morning, root").has("95th percentile");
    root.get("/requests").await.is(200).has("<b>Tower Bank</b>");
    // One that is broken says so, and nothing of where it is.
    root.get("/servers").await.is(500).has("servers.html").lacks(&folder.path().display().to_string());
    site.stop().await;
}

#[tokio::test]
async fn without_an_admin_there_is_none() {
    let site = Site::configured(Database::sqlite().await.unwrap(), |config| {
        config.server.http = "127.0.0.1:0".into();
        config.admin.enabled = false;
    })
    .await;
    let (_, root) = superuser(&site).await;
    root.get("/").await.is(404);
    site.stop().await;
}

#[tokio::test]
async fn what_a_chart_shows_can_be_read_and_ones_password_is_in_the_menu() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let page = root.get("/").await;
    assert_eq!(page.is(200).body.matches("<details class=\"values\">").count(), 2, "{page:?}");
    page.has("<th scope=\"row\">").has("<td>no calls</td>");
    page.has("<ul class=\"own\"><li><a href=\"/admin/password\">");
    site.stop().await;
}
