//! What is read from a file and the environment, and what is refused by name.

use serde::Deserialize;

use super::*;
use crate::clock::machine;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Actuator {
    dry_run: bool,
    timeout_seconds: u32,
    nested: Nested,
    names: Vec<String>,
    list: Vec<Nested>,
    maybe: Option<Nested>,
    map: BTreeMap<String, Nested>,
    mode: Mode,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Safe,
    Free,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Nested {
    endpoint: String,
}

fn written(name: &str, value: &str) -> Written {
    Written {
        variable: name.to_owned(),
        text: value.to_owned(),
    }
}

fn settings(yaml: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let settings = Settings::from_yaml(yaml, None)?
        .with_environment(environment.iter().map(|(name, value)| written(name, value)))?;
    settings.check_sections()?;
    Ok(settings)
}

fn actuator(yaml: &str, environment: &[(&str, &str)]) -> Result<Actuator, String> {
    settings(yaml, environment)
        .and_then(|settings| settings.section("actuator"))
        .map_err(|error| error.to_string())
}

#[test]
fn environment_wins_over_file_and_file_over_defaults() {
    let section = actuator(
        "actuator:\n  timeout_seconds: 5\n  dry_run: true\n",
        &[
            ("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "7"),
            ("AUTOSCALER__ACTUATOR__NESTED__ENDPOINT", "http://moto:5000"),
            ("AUTOSCALER__ACTUATOR__NAMES", "[t2.small, t2.medium]"),
            ("DRY_RUN", "False"),
            ("UNRELATED", "1"),
        ],
    )
    .unwrap();
    assert_eq!(
        section,
        Actuator {
            dry_run: false,
            timeout_seconds: 7,
            nested: Nested {
                endpoint: "http://moto:5000".into()
            },
            names: vec!["t2.small".into(), "t2.medium".into()],
            ..Actuator::default()
        }
    );
    assert_eq!(actuator("actuator:\n", &[]).unwrap(), Actuator::default());
    assert_eq!(actuator("", &[]).unwrap(), Actuator::default());
}

#[test]
fn text_in_the_environment_stays_text_where_text_is_asked_for() {
    for text in ["123456", "007", "1e3", "[abc]", "{a: b}", "true", "-0"] {
        let section = actuator("", &[("AUTOSCALER__ACTUATOR__NESTED__ENDPOINT", text)]);
        assert_eq!(section.unwrap().nested.endpoint, text);
    }
    // And not where a number is.
    let wrong = actuator("", &[("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "soon")]);
    assert!(wrong.unwrap_err().contains("actuator.timeout_seconds"));
}

#[test]
fn text_stays_text_inside_lists_and_keys_too() {
    let names =
        |text| actuator("", &[("AUTOSCALER__ACTUATOR__NAMES", text)]).map(|read| read.names);
    for (text, expected) in [
        ("[123456789012, 007, true]", ["123456789012", "007", "true"]),
        ("[1.50, [x], on]", ["1.50", "[x]", "on"]),
        ("[truenas, 'a, b', \"c\"]", ["truenas", "a, b", "c"]),
    ] {
        assert_eq!(names(text).unwrap(), expected, "{text}");
    }
    for (variable, text) in [
        ("AUTOSCALER__ACTUATOR__NESTED", "{endpoint = 007}"),
        ("AUTOSCALER__ACTUATOR", "{nested: {endpoint: 007}}"),
        ("AUTOSCALER__ACTUATOR__MAP__X", "{endpoint = 007}"),
        ("AUTOSCALER__ACTUATOR__LIST", "[{endpoint = 007}]"),
        ("AUTOSCALER__ACTUATOR__MAYBE__ENDPOINT", "007"),
    ] {
        let read = actuator("actuator: {dry_run: true}", &[(variable, text)]).unwrap();
        let texts = [
            Some(&read.nested),
            read.map.get("x"),
            read.list.first(),
            read.maybe.as_ref(),
        ];
        let is_there = texts
            .into_iter()
            .flatten()
            .any(|nested| nested.endpoint == "007");
        assert!(is_there && read.dry_run, "{variable}: {read:?}");
    }
    let read = actuator(
        "",
        &[(
            "AUTOSCALER__ACTUATOR",
            "{dry_run = yes, timeout_seconds = 7}",
        )],
    );
    assert_eq!(
        read.map(|read| (read.dry_run, read.timeout_seconds)),
        Ok((true, 7))
    );
    // The narrower variable counts, whichever is read again as text.
    let both = [
        ("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "9"),
        (
            "AUTOSCALER__ACTUATOR",
            "{nested = {endpoint = 007}, timeout_seconds = 7}",
        ),
    ];
    let read = actuator("", &both).unwrap();
    assert_eq!(
        (read.timeout_seconds, read.nested.endpoint.as_str()),
        (9, "007")
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line_or_its_variable() {
    let said = |text: &str, environment: &[(&str, &str)]| {
        let settings = Settings::from_yaml(text, Some("a.yaml".into())).and_then(|settings| {
            settings.with_environment(environment.iter().map(|(name, value)| written(name, value)))
        });
        let read = settings.and_then(|settings| {
            settings.check_sections()?;
            let read: Actuator = settings.section("actuator")?;
            match read.timeout_seconds {
                99 => Err(settings.placed(invalid("actuator.timeout_seconds", "is 99"))),
                98 => Err(settings.placed(invalid("actuator.list[1].endpoint", "is missing"))),
                _ => Ok(read),
            }
        });
        read.unwrap_err().to_string()
    };
    let base = "# one\nactuator:\n  dry_run: true\n";
    for (more, environment, expected) in [
        (
            "  names: [a,\n    b, 7]\n",
            &[][..],
            "`actuator.names.2`: invalid type: found unsigned int `7`, expected a string; put it between quotes (a.yaml, line 5)",
        ),
        (
            "  dryrun: 1\n",
            &[],
            "`actuator.dryrun`; did you mean `dry_run`? (a.yaml, line 4)",
        ),
        (
            "  nested:\n    endpont: x\n",
            &[],
            "did you mean `endpoint`? (a.yaml, line 5)",
        ),
        (
            "policies: {}\n",
            &[],
            "unknown configuration key `policies`; did you mean `policy`? (a.yaml, line 4)",
        ),
        (
            "policy: 7\n",
            &[],
            "must hold keys, such as `key: value` (a.yaml, line 4)",
        ),
        (
            "  names: [\"a\\u200b\"]\n",
            &[],
            "has the invisible character U+200B in it; take it away (a.yaml, line 4)",
        ),
        ("  timeout_seconds: 99\n", &[], "is 99 (a.yaml, line 4)"),
        (
            "  timeout_seconds: 98\n  list:\n  - endpoint: a\n  - {}\n",
            &[],
            "is missing (a.yaml, in what begins on line 7)",
        ),
        ("  mode: Free\n", &[], "a.yaml, line 4)"),
        (
            "  timeout_seconds: 5\n",
            &[("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "99")],
            "is 99 (from AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS)",
        ),
        (
            "  timeout_seconds:\n  nested:\n",
            &[],
            "`actuator.nested`: is empty; write keys, such as `key: value`, or leave the key out (a.yaml, line 5)",
        ),
        (
            "  timeout_seconds: -1\n",
            &[],
            "invalid value signed int `-1`, expected a whole number, 0 or more (a.yaml, line 4)",
        ),
        (
            "  timeout_seconds: 1h 30m\n",
            &[],
            "expected a whole number, 0 or more; write 5400 (a.yaml, line 4)",
        ),
        (
            "  list: []\n",
            &[("AUTOSCALER__ACTUATOR__LIST__0__ENDPOINT", "x")],
            "found map, expected a sequence (a.yaml, line 4) (from AUTOSCALER__ACTUATOR__LIST__0__ENDPOINT)",
        ),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__DRYRUN", "1")],
            "did you mean `dry_run`? (from AUTOSCALER__ACTUATOR__DRYRUN)",
        ),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__NESTED__ENDPONT", "x")],
            "did you mean `endpoint`? (from AUTOSCALER__ACTUATOR__NESTED__ENDPONT)",
        ),
        (
            "",
            &[("AUTOSCALER__POLICIES__X", "1")],
            "`policies`; did you mean `policy`? (from AUTOSCALER__POLICIES__X)",
        ),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__MAP", "{a = {endpont = 1}}")],
            "did you mean `endpoint`? (from AUTOSCALER__ACTUATOR__MAP)",
        ),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "5m")],
            "found string \"5m\", expected a whole number, 0 or more; write 300 (from AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS)",
        ),
    ] {
        let message = said(&format!("{base}{more}"), environment);
        assert!(
            message.ends_with(expected),
            "{message:?} lacks {expected:?}"
        );
    }
    for (text, expected) in [
        (
            "actuator:\n  dry_run: \0true\n",
            "a.yaml is not YAML: line 2 has the invisible character U+0000 in it",
        ),
        (
            "actuator:\n\u{a0}\u{a0}dry_run: true\n",
            "a.yaml has the invisible character U+00A0 in a key on line 2",
        ),
        (
            "actuator:\n  dry_run: !flag true\n",
            "a.yaml has the tag `!flag` at or below line 2",
        ),
        (
            "actuator:\n  map:\n    [a]: {endpoint: b}\n",
            "a.yaml has a list or keys in the place of a key on line 3",
        ),
        (
            "actuator:\n\tdry_run: true\n",
            "a.yaml is not YAML: line 2 is indented with a tab; indent with blanks",
        ),
        (
            "actuator:\n  nested:\n\t  endpoint: x\n",
            "line 3 is indented with a tab",
        ),
        (
            "actuator:\n  dry_run: true\n  names: []\n  dry_run: false\n",
            "a.yaml says `dry_run` again on line 4; leave one of them out",
        ),
        (
            "policy:\nactuator: {}\ntelemetry: ~\nactuator: {dry_run: true}\n",
            "says `actuator` again on line 4",
        ),
        (
            "actuator: {}\npolicy: {}\nactuator: {dry_run: true}\n",
            "says `actuator` again on line 3",
        ),
        (
            "x-a: &a {}\nactuator:\n  <<: *a\n  <<: *a\n",
            "says `<<` again on line 4; leave one of them out: `<<: [*one, *other]` merges both",
        ),
        (
            "actuator: {}\n---\npolicy: {}\n",
            "a.yaml begins another document on line 2 (`---`); write all sections into one",
        ),
        (
            "actuator:\n  dry_run: true\n  <<: 5\n",
            "a.yaml merges on line 3 what is no map",
        ),
        (
            "actuator:\n  <<: *b\n",
            "a.yaml is not YAML: unknown anchor at line 2",
        ),
        ("actuator: [\n", "a.yaml is not YAML: "),
        ("- actuator\n", "a.yaml must hold sections"),
    ] {
        let message = said(text, &[]);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn two_variables_for_one_guard_must_agree() {
    let ours = "AUTOSCALER__ACTUATOR__DRY_RUN";
    for (seeds, own) in [
        ("true", "false"),
        ("false", "true"),
        ("1", "off"),
        ("no", "1"),
        ("", "false"),
    ] {
        for pair in [
            [("DRY_RUN", seeds), (ours, own)],
            [(ours, own), ("DRY_RUN", seeds)],
        ] {
            let error = actuator("", &pair).unwrap_err();
            for words in ["actuator.dry_run", "DRY_RUN and", ours, "contradict"] {
                assert!(error.contains(words) || words == "DRY_RUN and", "{error}");
            }
        }
    }
    for (seeds, own, expected) in [
        ("True", "true", true),
        ("yes", "1", true),
        ("on", "true", true),
        ("0", "false", false),
        ("no", "off", false),
    ] {
        let both = [("DRY_RUN", seeds), (ours, own)];
        assert_eq!(actuator("", &both).unwrap().dry_run, expected, "{both:?}");
        for (name, text) in both {
            let yaml = format!("actuator: {{dry_run: {}}}", !expected);
            let alone = actuator(&yaml, &[(name, text)]).unwrap();
            assert_eq!(alone.dry_run, expected, "{name}={text}");
        }
    }
    // Only these two names of one key: the message must not send anybody to another one.
    let upper_and_lower = [
        ("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "7"),
        ("AUTOSCALER__actuator__timeout_seconds", "8"),
    ];
    let error = actuator("", &upper_and_lower).unwrap_err();
    assert!(
        error.contains("AUTOSCALER__actuator__timeout_seconds") && !error.contains("DRY_RUN"),
        "{error}"
    );
}

#[test]
fn keys_and_names_are_still_read() {
    let yaml = "actuator: {list: [{endpoint: a}], maybe: {endpoint: b}, map: {k: {endpoint: c}}, mode: free}";
    let section = actuator(yaml, &[("AUTOSCALER__ACTUATOR__NESTED", "{endpoint = d}")]).unwrap();
    let nested = |endpoint: &str| Nested {
        endpoint: endpoint.to_owned(),
    };
    assert_eq!(section.list, [nested("a")]);
    assert_eq!(section.maybe, Some(nested("b")));
    assert_eq!(section.map["k"], nested("c"));
    assert_eq!(section.nested, nested("d"));
    assert_eq!(section.mode, Mode::Free);
    assert_eq!(
        actuator("actuator: {maybe: null}", &[]).unwrap().maybe,
        None
    );
}

#[test]
fn depth_is_refused_at_once_and_neither_overflows_nor_waits() {
    let started = machine().monotonic();
    let key = "AUTOSCALER__ACTUATOR__NESTED__ENDPOINT";
    for unit in ["{a=", "[", "[\"]\", ", "[{a="] {
        let error = actuator("", &[(key, &unit.repeat(20_000))]).unwrap_err();
        assert!(error.contains(key) && error.len() < 200, "{error}");
    }
    // What is as deep as may be is read, or is text.
    for unit in ["{a=", "[", "[\"]\", "] {
        let text = unit.repeat(64);
        let section = actuator("", &[(key, &text)]).unwrap();
        assert_eq!(section.nested.endpoint, text);
    }
    for unit in ["[", "{a: ", "- ", "? ", "[']', ", "a: [\n", "- {a: "] {
        let error = actuator(&unit.repeat(100_000), &[]).unwrap_err();
        assert!(error.contains("autoscaler.yaml"), "{error}");
    }
    // Ten thousand targets between braces are as many, and not deep.
    let targets =
        "  - {id: web, label: \"10.0.0.7:9100\", ladder: [m6i.large, m6i.xlarge]}\n".repeat(10_000);
    let fleet = format!("scheduler:\n  targets:\n{targets}");
    assert!(settings(&fleet, &[]).is_ok());
    let anchors: String = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = level - 1;
        format!("{text}a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]\n")
    });
    assert!(actuator(&anchors, &[]).is_err());
    let took = machine().since(started);
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn a_section_of_the_wrong_kind_is_no_empty_section() {
    for yaml in [
        "actuator: 7",
        "actuator: [a]",
        "actuator: text",
        "actuator: true",
    ] {
        let error = actuator(yaml, &[]).unwrap_err();
        assert!(
            error.contains("`actuator`: must hold keys"),
            "{yaml}: {error}"
        );
    }
}

#[test]
fn yaml_is_read_as_people_write_it() {
    for yaml in [
        "\u{feff}actuator: {timeout_seconds: 8, names: [b]}",
        // The parser alone takes the first key after the mark for a document of its own.
        "\u{feff}telemetry: {}\nactuator: {timeout_seconds: 8, names: [b]}",
        "\u{feff}# a comment\r\nactuator:\r\n  timeout_seconds: 8\r\n  names: [b]\r\n",
        "x-base: &base {timeout_seconds: 8, names: [a]}\nactuator: {<<: *base, names: [b]}",
        "x-names: &names [b]\nactuator: {timeout_seconds: 8, names: *names}",
        "x-a: &a {timeout_seconds: 9}\nx-b: &b {timeout_seconds: 8, names: [b]}\nactuator: {<<: [*b, *a]}",
        // A merge of a merge.
        "x-a: &a {timeout_seconds: 8}\nx-b: &b {<<: *a, names: [b]}\nx-c: &c {<<: [*b]}\nactuator: {<<: *c}",
        "x-a: &a {timeout_seconds: 9}\nx-b: &b {<<: *a, timeout_seconds: 8, names: [b]}\nactuator:\n  <<: *b",
        // Keys that look like numbers.
        "actuator: {timeout_seconds: 8, names: [b], map: {7: {}, true: {}}}",
        // Documents that say nothing.
        "---\nactuator: {timeout_seconds: 8, names: [b]}\n...\n",
        "---\n# nothing\n---\nactuator: {timeout_seconds: 8, names: [b]}\n---\n",
    ] {
        let read = actuator(yaml, &[]).unwrap();
        assert_eq!(
            (read.timeout_seconds, read.names),
            (8, vec!["b".to_owned()]),
            "{yaml}"
        );
    }
    // Not where sections are, nor in one.
    for yaml in [
        "actuator: {x-names: [b]}",
        "y-names: [b]",
        "actuator: {<<: 5}",
    ] {
        assert!(actuator(yaml, &[]).is_err(), "{yaml}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (yaml, environment, expected) in [
        (
            "actuator: {dryrun: true}",
            &[][..],
            "unknown configuration key `actuator.dryrun`; did you mean `dry_run`?",
        ),
        (
            "actuator: {nested: {endpont: x}}",
            &[],
            "unknown configuration key `actuator.nested.endpont`; did you mean `endpoint`?",
        ),
        (
            "actuatr: {}",
            &[],
            "unknown configuration key `actuatr`; did you mean `actuator`?",
        ),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__QQQ", "1")],
            "unknown configuration key `actuator.qqq`",
        ),
        ("just text", &[], "must hold sections"),
        ("a: [", &[], "is not YAML"),
        (
            "actuator: {timeout_seconds: soon}",
            &[],
            "configuration key `actuator.timeout_seconds`: invalid type",
        ),
        (
            "",
            &[("DRY_RUN", "maybe")],
            "configuration key `actuator.dry_run`: invalid type: found string \"maybe\", expected a boolean; write true or false (from DRY_RUN)",
        ),
        ("", &[("DRY_RUN", "")], "write true or false (from DRY_RUN)"),
        (
            "",
            &[("DRY_RUN", "False\r")],
            "`actuator.dry_run`: DRY_RUN has a carriage return",
        ),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__NESTED__ENDPOINT", "x\u{a0}")],
            "AUTOSCALER__ACTUATOR__NESTED__ENDPOINT has the invisible character U+00A0",
        ),
        (
            "actuator: {names: [a, \"b\\u200b\"]}",
            &[],
            "`actuator.names.1`: has the invisible character U+200B",
        ),
        (
            "actuator: {nested: []}",
            &[],
            "`actuator.nested`: invalid type: found sequence",
        ),
        (
            "actuator: {nested: [x]}",
            &[],
            "`actuator.nested`: invalid type: found sequence",
        ),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__NESTED", "[x]")],
            "(from AUTOSCALER__ACTUATOR__NESTED)",
        ),
        (
            "actuator: {list: [[a]]}",
            &[],
            "`actuator.list.0`: invalid type: found sequence",
        ),
        (
            "actuator: {maybe: [a]}",
            &[],
            "`actuator.maybe`: invalid type: found sequence",
        ),
        (
            "actuator: {map: {a: [a]}}",
            &[],
            "`actuator.map.a`: invalid type: found sequence",
        ),
        ("actuator: {mode: 1}", &[], "`actuator.mode`: invalid type"),
        (
            "",
            &[("AUTOSCALER__ACTUATOR__MODE", "1")],
            "`actuator.mode`",
        ),
        (
            "",
            &[("AUTOSCALER_ACTUATOR_DRY_RUN", "false")],
            "`AUTOSCALER__ACTUATOR__DRY_RUN`?",
        ),
        ("", &[("AUTOSCALER__", "1")], "`AUTOSCALER__`: names no key"),
    ] {
        let message = actuator(yaml, environment).unwrap_err();
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn a_part_of_what_is_set_can_be_taken_and_the_rest_is_named() {
    let yaml =
        "actuator: {dry_run: true, nested: {endpoint: here}, names: [a]}\nscheduler: {targets: []}";
    let settings = settings(yaml, &[("AUTOSCALER__ACTUATOR__TIMEOUT_SECONDS", "7")]).unwrap();
    let (part, left_out) = settings
        .at_or_below(&["actuator.nested", "actuator.timeout_seconds", "act"])
        .unwrap();
    assert_eq!(
        left_out,
        ["actuator.dry_run", "actuator.names", "scheduler.targets"]
    );
    let expected = Actuator {
        timeout_seconds: 7,
        nested: Nested {
            endpoint: "here".to_owned(),
        },
        ..Actuator::default()
    };
    assert_eq!(part.section::<Actuator>("actuator").unwrap(), expected);
    assert!(settings.sets("actuator.names") && !part.sets("actuator.names"));

    let above = Settings::from_yaml_text("actuator: {timeout_seconds: 8, names: [b]}").unwrap();
    let both: Actuator = part.overlaid(above).section("actuator").unwrap();
    assert_eq!(
        (both.timeout_seconds, both.names),
        (8, vec!["b".to_owned()])
    );
    assert_eq!(both.nested.endpoint, "here");
}
