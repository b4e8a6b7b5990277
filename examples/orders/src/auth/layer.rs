//! From a request's header to its [`Identity`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use super::{Identity, Tokens};
use crate::problem::Problem;

/// The same routes, for requests with a token; others are answered 401.
pub fn authenticated(router: Router, tokens: Arc<Tokens>) -> Router {
    router.layer(middleware::from_fn_with_state(tokens, verify))
}

async fn verify(State(tokens): State<Arc<Tokens>>, mut request: Request, next: Next) -> Response {
    match authenticate(&tokens, request.headers()) {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who asks, by the header `Authorization`.
///
/// # Errors
/// 401: there is none, it is of another kind, or nobody knows the token.
pub fn authenticate(tokens: &Tokens, headers: &HeaderMap) -> Result<Identity, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    // Two of them: whoever is in between may have looked at the other one.
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(unauthenticated());
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim_start_matches(' '))
    });
    token
        .and_then(|token| tokens.identify(token))
        .cloned()
        .ok_or_else(unauthenticated)
}

fn unauthenticated() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "Send a known token: `Authorization: Bearer …`.",
    )
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let identity = parts.extensions.get::<Self>().cloned();
        identity.ok_or_else(unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::{NewToken, Scope};
    use super::*;

    #[test]
    fn only_one_bearer_token_that_is_known_passes() {
        let new = NewToken::random("alice", None, [Scope::OrdersRead]);
        let tokens = Tokens::parse(&Tokens::file_text(std::slice::from_ref(&new))).unwrap();
        let token = new.token.as_str();
        let ask = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            authenticate(&tokens, &headers).map_err(|problem| problem.status)
        };
        let known = format!("Bearer {token}");
        assert_eq!(ask(std::slice::from_ref(&known)), Ok(new.identity.clone()));
        assert_eq!(ask(&[format!("bearer {token}")]), Ok(new.identity));
        for wrong in [
            vec![],
            vec![known.clone(), known.clone()],
            vec![token.to_owned()],
            vec![format!("Basic {token}")],
            vec!["Bearer ".to_owned()],
            vec![format!("Bearer x{token}")],
            vec![format!("Bearer {token}é")],
        ] {
            assert_eq!(ask(&wrong), Err(StatusCode::UNAUTHORIZED), "{wrong:?}");
        }
    }
}
