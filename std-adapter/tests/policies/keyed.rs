use fuseboard::{CircuitBreakerConfig, CircuitState, Keyed, Rate};

fn breakers(max_keys: usize) -> Keyed<fuseboard::CircuitBreaker> {
    Keyed::breakers(CircuitBreakerConfig::default(), max_keys).unwrap()
}

#[test]
fn each_key_has_its_own_and_keeps_it() {
    let hosts = breakers(10);
    hosts.get("a").force_open();
    assert_eq!(hosts.get("a").state(), CircuitState::ForcedOpen);
    assert_eq!(hosts.get("b").state(), CircuitState::Closed);
    assert_eq!(hosts.get("b").name(), "b");
    assert_eq!(hosts.len(), 2);
}

#[test]
fn the_key_unused_for_the_longest_makes_room_but_an_open_breaker_never() {
    let hosts = breakers(3);
    hosts.get("open").force_open();
    hosts.get("old");
    hosts.get("new");
    hosts.get("newest");
    let keys = |hosts: &Keyed<_>| -> Vec<String> {
        hosts.entries().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(&hosts), ["open", "new", "newest"]);
    for attack in 0..10_000 {
        hosts.get(&attack.to_string());
    }
    assert_eq!(hosts.len(), 3);
    assert_eq!(hosts.get("open").state(), CircuitState::ForcedOpen);
}

#[test]
fn keys_without_room_share_one() {
    let hosts = breakers(2);
    for key in ["a", "b"] {
        hosts.get(key).force_open();
    }
    hosts.get("c").force_open();
    assert_eq!(hosts.len(), 2);
    assert_eq!(hosts.overflow().state(), CircuitState::ForcedOpen);
    assert_eq!(hosts.get("d").state(), CircuitState::ForcedOpen);
    hosts.get("b").reset();
    assert_eq!(hosts.get("d").state(), CircuitState::Closed);
    assert_eq!(hosts.get("a").state(), CircuitState::ForcedOpen);
}

#[test]
fn a_bucket_in_use_is_not_evicted_so_nobody_gets_a_full_one_by_it() {
    let tenants = Keyed::token_buckets(Rate::per_hour(1), 1, 2).unwrap();
    assert!(tenants.get("a").try_acquire().is_ok());
    for other in 0..100 {
        tenants.get(&other.to_string());
    }
    assert!(tenants.get("a").try_acquire().is_err());
}

#[test]
fn r6_bad_settings_are_refused_when_the_registry_is_made() {
    let bad = CircuitBreakerConfig {
        failure_threshold: 2.0,
        ..Default::default()
    };
    assert_eq!(
        Keyed::breakers(bad, 9).unwrap_err().field(),
        "failure_threshold"
    );
    let none = Keyed::breakers(CircuitBreakerConfig::default(), 0);
    assert_eq!(none.unwrap_err().field(), "max_keys");
}
