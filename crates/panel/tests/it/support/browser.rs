//! A browser that is signed in with a link.

use http::Method;
use serde_json::{Value, json};

use super::{Lab, Reply};

/// The cookie that opens the pages.
pub(crate) const COOKIE: &str = "__Host-opterius";

/// A browser.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    /// What it sends, as in the header `Cookie`.
    pub(crate) cookie: String,
    /// Where the link has led it.
    pub(crate) at: String,
}

/// The path of a link.
pub(crate) fn path_of(link: &Value) -> String {
    link["url"].as_str().unwrap().strip_prefix("https://panel.hoster.example:8443").unwrap().to_owned()
}

impl Browser {
    /// The browser that such an answer has signed in.
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 303, "{}", reply.text);
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with(COOKIE) && cookie.len() == COOKIE.len() + 44, "{cookie}");
        Self { cookie, at: reply.header("location").to_owned() }
    }

    /// The browser of the customer of an account, let in by a token.
    pub(crate) async fn of_customer(lab: &Lab, token: &str, username: &str) -> Self {
        Self::of(&lab.visit(&lab.customer_link(token, username).await).await)
    }

    /// The browser of the staff of a token.
    pub(crate) async fn of_staff(lab: &Lab, token: &str) -> Self {
        let link = lab.call(Method::POST, "/api/self/sign-in").token(token).json(&json!({})).send().await.data(201);
        Self::of(&lab.visit(&path_of(&link)).await)
    }

    /// The browser of one of the host's people, who is made and signs in.
    pub(crate) async fn of_person(lab: &Lab, role: &str) -> Self {
        let name = format!("the{}", role.replace('_', ""));
        let person = json!({ "username": name, "password": "correct: horse", "role": role });
        lab.post("/api/administrators", &person).await.data(201);
        let form = format!("name={name}&password=correct%3A+horse");
        let call = lab.call(Method::POST, "/enter").from("198.51.100.7:40000").header("sec-fetch-site", "same-origin");
        Self::of(&call.raw("application/x-www-form-urlencoded", form).send().await)
    }

    /// Sends a form as a page of the Panel does.
    pub(crate) async fn send(&self, lab: &Lab, path: &str, fields: &[(&str, &str)]) -> Reply {
        let call = lab.call(Method::POST, path).from("198.51.100.7:40000").header("cookie", &self.cookie);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        call.header("sec-fetch-site", "same-origin").raw("application/x-www-form-urlencoded", form).send().await
    }

    /// Sends a form with the password of whoever was made by [`Self::of_person`].
    pub(crate) async fn sure(&self, lab: &Lab, path: &str, fields: &[(&str, &str)]) -> Reply {
        let fields: Vec<_> = fields.iter().copied().chain([("own_password", "correct: horse")]).collect();
        self.send(lab, path, &fields).await
    }

    pub(crate) async fn get(&self, lab: &Lab, path: &str) -> Reply {
        lab.call(Method::GET, path).from("198.51.100.7:40000").header("cookie", &self.cookie).send().await
    }

    /// Presses the button of a page.
    pub(crate) async fn post(&self, lab: &Lab, path: &str) -> Reply {
        let call = lab.call(Method::POST, path).from("198.51.100.7:40000").header("cookie", &self.cookie);
        call.header("sec-fetch-site", "same-origin").raw("application/x-www-form-urlencoded", "").send().await
    }
}

impl Lab {
    /// The path of a new link for the customer of the account with the ref `ref-<username>`.
    pub(crate) async fn customer_link(&self, token: &str, username: &str) -> String {
        let path = format!("/api/accounts/ref:ref-{username}/sign-in");
        path_of(&self.call(Method::POST, &path).token(token).json(&json!({})).send().await.data(201))
    }

    /// What a browser without a cookie sees.
    pub(crate) async fn visit(&self, path: &str) -> Reply {
        self.call(Method::GET, path).from("198.51.100.7:40000").send().await
    }

    /// Orders an account with a token.
    pub(crate) async fn order_with(&self, token: &str, username: &str) -> Value {
        self.call(Method::POST, "/api/accounts").token(token).json(&super::order(username)).send().await.data(201)
    }
}
