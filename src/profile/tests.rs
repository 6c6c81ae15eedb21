use super::*;

#[test]
fn every_built_in_profile_parses_and_says_what_it_follows() {
    for name in embedded() {
        let profile = parse_embedded(name).unwrap();
        assert_eq!(profile.name, name);
        assert!(
            !profile.source.is_empty() && !profile.tested.is_empty(),
            "{name}"
        );
        assert!(
            profile.settings.iter().all(|s| !s.help.is_empty()),
            "{name}"
        );
    }
}
