use axum::http::{HeaderValue, Request};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::config::TokenKey;

const SECRET: &str = "a secret that is long enough to be one";

pub(in crate::web) fn caller() -> Caller {
    Caller {
        account: AccountId::try_new("alice").unwrap(),
        role: Role::User,
        email: Some("alice@example.com".to_owned()),
        name: Some("Alice".to_owned()),
        locale: Locale::ZhCn,
        actor: Actor::new("alice", "user"),
    }
}

fn authenticator() -> Authenticator {
    asking_for(None, None)
}

fn asking_for(issuer: Option<&str>, audience: Option<&str>) -> Authenticator {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let key = TokenKey::Secret(SECRET.into());
    Authenticator::new(&Tokens { key, issuer: text(issuer), audience: text(audience) })
}

fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

async fn identify(authenticator: &Authenticator, authorization: &str) -> Result<Caller, String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    let (found, _) = authenticator.identify(&headers).await;
    found.map(|caller| (*caller).clone()).map_err(|problem| problem.code().to_owned())
}

async fn refused(claims: &Value) -> String {
    identify(&authenticator(), &format!("Bearer {}", signed(claims))).await.unwrap_err()
}

#[tokio::test]
async fn a_token_that_was_minted_here_is_good_here() {
    let claims = Claims {
        sub: "alice".to_owned(),
        email: Some("alice@example.com".to_owned()),
        name: Some("Alice".to_owned()),
        ..Claims::default()
    };
    let token = mint(SECRET.as_bytes(), &claims, 60, Some("us"), Some("ledger")).unwrap();
    for authenticator in [authenticator(), asking_for(Some("us"), Some("ledger"))] {
        assert_eq!(identify(&authenticator, &format!("Bearer {token}")).await, Ok(caller()));
        // Again, from memory.
        assert_eq!(identify(&authenticator, &format!("bearer {token}")).await, Ok(caller()));
    }
    for authenticator in [asking_for(Some("them"), None), asking_for(None, Some("shop"))] {
        assert_eq!(identify(&authenticator, &format!("Bearer {token}")).await, Err("E2002".to_owned()));
    }
}

#[tokio::test]
async fn an_issuer_or_audience_that_is_asked_for_has_to_be_there() {
    let token = mint(SECRET.as_bytes(), &Claims { sub: "alice".to_owned(), ..Claims::default() }, 60, None, None);
    let authorization = format!("Bearer {}", token.unwrap());
    for authenticator in [asking_for(Some("us"), None), asking_for(None, Some("ledger"))] {
        assert_eq!(identify(&authenticator, &authorization).await, Err("E2002".to_owned()));
    }
}

#[tokio::test]
async fn a_token_ends_and_may_begin_later() {
    let now = verify::now();
    assert_eq!(refused(&json!({"sub": "alice", "exp": now - 60})).await, "E2003");
    assert_eq!(refused(&json!({"sub": "alice"})).await, "E2002");
    assert_eq!(refused(&json!({"sub": "alice", "exp": "soon"})).await, "E2002");
    assert_eq!(refused(&json!({"sub": "alice", "exp": now + 60, "nbf": now + 30})).await, "E2004");
}

#[tokio::test]
async fn claims_have_their_bounds() {
    let exp = verify::now() + 60;
    for claims in [
        json!({"exp": exp}),
        json!({"exp": exp, "sub": ""}),
        json!({"exp": exp, "sub": "x".repeat(256)}),
        json!({"exp": exp, "sub": "a\u{0}b"}),
        json!({"exp": exp, "sub": "system"}),
        json!({"exp": exp, "sub": 7}),
        json!({"exp": exp, "sub": "alice", "role": "root"}),
        json!({"exp": exp, "sub": "alice", "email": "x".repeat(400)}),
        json!({"exp": exp, "sub": "alice", "name": "a\r\nBcc: b"}),
    ] {
        assert_eq!(refused(&claims).await, "E2002", "{claims}");
    }
    let token = signed(&json!({"exp": exp, "sub": "alice", "locale": "en-GB", "email": null, "iat": 1, "x": []}));
    let caller = identify(&authenticator(), &format!("Bearer {token}")).await.unwrap();
    assert_eq!((caller.locale, caller.email, caller.role), (Locale::En, None, Role::User));
}

#[tokio::test]
async fn the_token_does_not_choose_its_algorithm() {
    let claims = json!({"sub": "alice", "role": "admin", "exp": verify::now() + 60});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for algorithm in ["none", "None", "RS256", "HS512"] {
        let unsigned = format!("{}.{}.", part(&json!({"alg": algorithm, "typ": "JWT"})), part(&claims));
        assert_eq!(identify(&authenticator(), &format!("Bearer {unsigned}")).await, Err("E2002".to_owned()));
    }
    let hs512 = encode(&Header::new(Algorithm::HS512), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    assert_eq!(identify(&authenticator(), &format!("Bearer {hs512}")).await, Err("E2002".to_owned()));
    let forged = encode(&Header::default(), &claims, &EncodingKey::from_secret(b"another secret")).unwrap();
    assert_eq!(identify(&authenticator(), &format!("Bearer {forged}")).await, Err("E2002".to_owned()));
}

#[tokio::test]
async fn what_is_no_bearer_token_is_none() {
    for (authorization, code) in [
        ("", "E2001"),
        ("Bearer", "E2001"),
        ("Bearer ", "E2001"),
        ("Basic YTpi", "E2001"),
        ("Bearer x", "E2002"),
        ("Bearer a.b.c", "E2002"),
        (&format!("Bearer {}", "x".repeat(20_000)), "E2002"),
    ] {
        assert_eq!(identify(&authenticator(), authorization).await, Err(code.to_owned()), "{authorization:.20}");
    }
}

#[test]
fn a_caller_is_not_printed() {
    let printed = format!("{:?}", caller());
    assert!(!printed.contains("lice"), "{printed}");
}

async fn extract<E: axum::extract::FromRequestParts<(), Rejection = Problem>>(
    role: Role,
    method: &str,
    account: Option<&str>,
) -> Result<E, String> {
    let mut request = Request::builder().method(method);
    if let Some(account) = account {
        request = request.header("x-account-id", account);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    parts.extensions.insert::<Identity>(Ok(Arc::new(Caller { role, ..caller() })));
    E::from_request_parts(&mut parts, &()).await.map_err(|problem| problem.code().to_owned())
}

#[tokio::test]
async fn a_user_acts_for_themselves_and_a_service_for_whom_it_names() {
    let account = |user: User| user.account.as_str().to_owned();
    for role in [Role::User, Role::Admin, Role::Service] {
        assert_eq!(extract::<User>(role, "POST", None).await.map(account), Ok("alice".to_owned()));
        assert_eq!(extract::<User>(role, "POST", Some("alice")).await.map(account), Ok("alice".to_owned()));
    }
    assert_eq!(extract::<User>(Role::Service, "POST", Some("bob")).await.map(account), Ok("bob".to_owned()));
    for role in [Role::User, Role::Admin] {
        assert_eq!(extract::<User>(role, "POST", Some("bob")).await.unwrap_err(), "E2006");
    }
    assert_eq!(extract::<User>(Role::Service, "POST", Some("system")).await.unwrap_err(), "E1013");
}

#[tokio::test]
async fn who_pays_is_said_once() {
    let bob = AccountId::try_new("bob").unwrap();
    let system = AccountId::try_new("system").unwrap();
    let paid = |payer: Result<Payer, String>, named: Option<&AccountId>| {
        let account = payer.unwrap().account(named);
        account.map(|account| account.as_str().to_owned()).map_err(|problem| problem.code().to_owned())
    };
    let user = || extract::<Payer>(Role::User, "POST", None);
    let service = |header| extract::<Payer>(Role::Service, "POST", header);
    assert_eq!(paid(user().await, None), Ok("alice".to_owned()));
    assert_eq!(paid(user().await, Some(&bob)), Err("E2006".to_owned()));
    assert_eq!(paid(service(None).await, Some(&bob)), Ok("bob".to_owned()));
    assert_eq!(paid(service(Some("bob")).await, None), Ok("bob".to_owned()));
    assert_eq!(paid(service(Some("carol")).await, Some(&bob)), Err("E1005".to_owned()));
    assert_eq!(paid(service(None).await, None), Err("E1003".to_owned()));
    assert_eq!(paid(service(None).await, Some(&system)), Err("E1005".to_owned()));
}

#[tokio::test]
async fn a_role_opens_its_own_doors_only() {
    for (role, admin, service, auditor_reads) in [
        (Role::User, false, false, false),
        (Role::Admin, true, false, true),
        (Role::Auditor, false, false, true),
        (Role::Service, false, true, false),
    ] {
        assert_eq!(extract::<Admin>(role, "POST", None).await.is_ok(), admin);
        assert_eq!(extract::<Service>(role, "POST", None).await.is_ok(), service);
        assert_eq!(extract::<Auditor>(role, "GET", None).await.is_ok(), auditor_reads);
        assert!(extract::<Auditor>(role, "POST", None).await.is_err());
    }
}

#[tokio::test]
async fn an_auditor_writes_nothing() {
    assert!(extract::<User>(Role::Auditor, "GET", None).await.is_ok());
    assert_eq!(extract::<User>(Role::Auditor, "POST", None).await.unwrap_err(), "E2005");
    assert_eq!(extract::<Payer>(Role::Auditor, "DELETE", None).await.unwrap_err(), "E2005");
}
