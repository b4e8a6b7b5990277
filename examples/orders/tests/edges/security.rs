//! Who may what: each route with each kind of token, through the gateway and past it.

use reqwest::{Client, Method};
use uuid::Uuid;

use crate::service::World;

#[tokio::test]
async fn each_route_is_for_those_whom_it_is_for() {
    let world = World::new().await;
    let order_id = world.order().await;
    let alice = world.alice;
    let customers: &[&str] = &["alice", "bob", "writer"];
    let owner: &[&str] = &["alice", "writer"];
    let clerk: &[&str] = &["clerk"];
    let readers: &[&str] = &["alice", "clerk", "reader"];
    let mut asked = 0;
    for (method, path, allowed) in [
        (Method::POST, "/orders".to_owned(), customers),
        (Method::POST, format!("/orders/{order_id}/pay"), owner),
        (Method::POST, format!("/orders/{order_id}/cancel"), owner),
        (Method::POST, format!("/orders/{order_id}/ship"), clerk),
        (Method::POST, format!("/orders/{order_id}/deliver"), clerk),
        (Method::POST, format!("/orders/{order_id}/refund"), clerk),
        (Method::GET, format!("/orders/{order_id}"), readers),
        (Method::GET, format!("/users/{alice}/orders"), readers),
    ] {
        let service = if method == Method::POST {
            &world.command
        } else {
            &world.query
        };
        for (name, token) in &world.tokens {
            // The gateway is not the services' only friend: past it, it is the same.
            for url in [&world.gateway.url, &service.url] {
                let mut request = Client::new().request(method.clone(), format!("{url}{path}"));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let answer = request.send().await.unwrap();
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                let body = answer.text().await.unwrap();
                let what = format!("{method} {path} by {name}: {status} {body}");
                match *name {
                    "nobody" | "unknown" => {
                        assert_eq!(status, 401, "{what}");
                        assert!(
                            headers["www-authenticate"]
                                .to_str()
                                .unwrap()
                                .starts_with("Bearer")
                        );
                    }
                    _ if allowed.contains(name) => assert!(!matches!(status, 401 | 403), "{what}"),
                    _ => assert_eq!(status, 403, "{what}"),
                }
                let is_told = token.as_ref().is_some_and(|token| body.contains(token));
                assert!(!is_told, "{what}");
                asked += 1;
            }
        }
    }
    assert_eq!(asked, 8 * 8 * 2);
}

#[tokio::test]
async fn what_the_gateway_says_is_what_the_service_said() {
    let world = World::new().await;
    let client = Client::new();
    let ask = async |method: Method, path: &str, name: &str, body: Option<(&str, &str)>| {
        let request = client.request(method, format!("{}{path}", world.gateway.url));
        let mut request = request.bearer_auth(world.token(name));
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body.to_owned());
        }
        request.send().await.unwrap().status().as_u16()
    };
    let (order_id, unknown) = (world.order().await, Uuid::new_v4());
    let json = "application/json";
    let post = Method::POST;
    let order = |verb: &str| format!("/orders/{order_id}/{verb}");
    for (method, path, name, body, expected) in [
        (
            post.clone(),
            "/orders".to_owned(),
            "alice",
            Some((json, "{")),
            400,
        ),
        (
            post.clone(),
            "/orders".to_owned(),
            "alice",
            Some((json, r#"{"items":[]}"#)),
            422,
        ),
        (
            post.clone(),
            "/orders".to_owned(),
            "alice",
            Some(("text/plain", "{}")),
            415,
        ),
        (
            post.clone(),
            "/orders/no-uuid/pay".to_owned(),
            "alice",
            None,
            400,
        ),
        (
            post.clone(),
            format!("/orders/{unknown}/pay"),
            "alice",
            None,
            404,
        ),
        (
            Method::GET,
            format!("/orders/{unknown}"),
            "alice",
            None,
            404,
        ),
        (post.clone(), order("ship"), "clerk", None, 409),
        (post.clone(), order("pay"), "alice", None, 200),
        (post.clone(), order("pay"), "alice", None, 409),
        (post.clone(), order("ship"), "clerk", None, 200),
        (post.clone(), order("deliver"), "clerk", None, 200),
        (post.clone(), order("refund"), "clerk", None, 409),
    ] {
        let status = ask(method.clone(), &path, name, body).await;
        assert_eq!(status, expected, "{method} {path} {body:?}");
    }
}
