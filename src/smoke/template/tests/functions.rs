//! Every function, with the values that Go, goss and Sprig document for it.

use std::fs;

use super::super::functions::TOPICS;
use super::check;

#[test]
fn printf_formats_as_fmt_does() {
    let cases = [
        (
            r#""%d|%5d|%-5d|%05d|%+d|%x|%X|%#x|%o|%b|%c|%U" 42 42 42 42 42 255 255 255 8 5 65 0x263a"#,
            "42|   42|42   |00042|+42|ff|FF|0xff|10|101|A|U+263A",
        ),
        (
            r#""%s|%10s|%-10s|%.2s|%q|%x" "abc" "abc" "abc" "abc" "a\"b" "hi""#,
            r#"abc|       abc|abc       |ab|"a\"b"|6869"#,
        ),
        (r#""%v %v %v %v" 1 "a" true 1.5"#, "1 a true 1.5"),
        (
            r#""%f|%.2f|%8.3f|%e|%g|%.3g|%08.3f" 3.14159 3.14159 3.14159 1234.5678 1e21 1234.5678 -3.14159"#,
            "3.141590|3.14|   3.142|1.234568e+03|1e+21|1.23e+03|-003.142",
        ),
        (r#""%t %t" true false"#, "true false"),
        (r#""%%""#, "%"),
        (r#""%d" "hi""#, "%!d(string=hi)"),
        (r#""%d""#, "%!d(MISSING)"),
        (r#""x" 1 "a""#, "x%!(EXTRA int=1, string=a)"),
        (r#""%!" 1"#, "%!!(int=1)"),
        (r#""%""#, "%!(NOVERB)"),
        (r#""%s" 5"#, "%!s(int=5)"),
        (r#""%v" nil"#, "<nil>"),
        (r#""%s" nil"#, "%!s(<nil>)"),
        (r#""%*d" 5 42"#, "   42"),
        (r#""%T %T %T" 1 "a" (list 1)"#, "int string []interface {}"),
        (r#""%s" (list "a" "b")"#, "[a b]"),
        (r#""%q" (list "a" "b")"#, r#"["a" "b"]"#),
        (r#""%q" 'x'"#, "'x'"),
        (r#""%3c|" 'x'"#, "  x|"),
    ];
    for (arguments, expected) in cases {
        check(&[(&format!("{{{{printf {arguments}}}}}"), expected)]);
    }
}

#[test]
fn the_other_functions_of_go() {
    check(&[
        ("{{print 1 2 \"a\" \"b\" 3 4}}", "1 2a b3 4".replace("a b", "ab").as_str()),
        ("{{println 1 \"a\"}}", "1 a\n"),
        ("{{len \"héllo\"}} {{len .Vars.list}} {{len .Vars.map}}", "6 3 2"),
        ("{{html \"<a href='x'>&\\\"\"}}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"),
        ("{{js \"It'd be <nice>=\"}}", r"It\'d be \u003Cnice\u003E\u003D"),
        ("{{urlquery \"a b/c?d=é\"}}", "a+b%2Fc%3Fd%3D%C3%A9"),
    ]);
}

#[test]
fn the_functions_of_goss() {
    check(&[
        ("{{getEnv \"HOME\"}} {{getEnv \"NOPE\"}}|{{getEnv \"NOPE\" \"d\"}} {{getEnv \"EMPTY\" \"d\"}}", "/root |d d"),
        ("{{readFile \"motd\"}}", "hello"),
        ("{{regexMatch \"^w\" .Vars.name}} {{regexMatch \"^x\" .Vars.name}}", "true false"),
        ("{{toLower \"ABC\"}}{{toUpper \"abc\"}}", "abcABC"),
        ("{{mkSlice 1 \"a\"}} {{len mkSlice}}", "[1 a] 0"),
        (r#"{{index (findStringSubmatch `(\w+)@(\w+)` "me@home") "2"}}"#, "home"),
        (r#"{{(findStringSubmatch `(\w+)@(?P<host>\w+)` "me@home").host}}"#, "home"),
        (r#"{{findStringSubmatch `x(y)?` "x"}} {{findStringSubmatch "q" "x"}}"#, "map[0:x 1:] map[]"),
    ]);
}

#[test]
fn texts() {
    check(&[
        (
            "{{trim \"  a \"}}|{{trimall \"$\" \"$5\" | trimAll \"$\"}}.00|\
             {{trimSuffix \"-\" \"a-\"}}|{{trimPrefix \"-\" \"-a\"}}",
            "a|5.00|a|a",
        ),
        (
            "{{upper \"ab\"}}{{lower \"AB\"}} {{title \"hello world\"}} {{untitle \"Hello World\"}}",
            "ABab Hello World hello world",
        ),
        ("{{repeat 3 \"ab\"}} {{nospace \"a b  c\"}}", "ababab abc"),
        ("{{substr 0 5 \"hello world\"}}|{{substr 6 -1 \"hello world\"}}|{{substr -1 2 \"abc\"}}", "hello|world|ab"),
        ("{{trunc 5 \"hello world\"}}|{{trunc -5 \"hello world\"}}|{{trunc 99 \"a\"}}", "hello|world|a"),
        (
            "{{contains \"cat\" \"catch\"}} {{hasPrefix \"cat\" \"catch\"}} {{hasSuffix \"ch\" \"catch\"}}",
            "true true true",
        ),
        (
            "{{quote \"a\" 1 nil \"b\\\"\"}} {{squote \"a\" \"b\"}} {{cat \"a\" 1 nil true}}",
            r#""a" "1" "b\"" 'a' 'b' a 1 true"#,
        ),
        ("{{indent 2 \"a\\nb\"}}|{{nindent 2 \"a\"}}", "  a\n  b|\n  a"),
        (
            "{{\"I Am Henry\" | replace \" \" \"-\"}} {{plural \"one\" \"many\" 1}} {{plural \"one\" \"many\" 2}}",
            "I-Am-Henry one many",
        ),
        (
            "{{splitList \"$\" \"foo$bar\"}} {{(split \"$\" \"foo$bar\")._1}} {{splitList \"\" \"ab\"}}",
            "[foo bar] bar [a b]",
        ),
        (
            "{{list \"a\" 1 nil true | join \"-\"}} {{join \",\" \"x\"}} {{sortAlpha (list \"b\" \"a\")}}",
            "a-1-true x [a b]",
        ),
        ("{{toStrings (list 1 true)}}", "[1 true]"),
        ("{{env \"HOME\"}} {{env \"NOPE\"}}|{{expandenv \"$HOME/${OS}x $NOPE.\"}}", "/root |/root/OSx ."),
        (
            "{{base \"/a/b.c\"}} {{dir \"/a/b.c\"}} {{ext \"/a/b.c\"}} {{clean \"a/../b//c\"}} {{isAbs \"/a\"}}",
            "b.c /a .c b/c true",
        ),
    ]);
}

#[test]
fn regular_expressions() {
    check(&[
        (r#"{{regexFind "[a-zA-Z][1-9]" "abcd1234"}}"#, "d1"),
        (r#"{{regexFindAll "[2,4,6,8]" "123456789" -1}} {{regexFindAll "[0-9]" "123" 2}}"#, "[2 4 6 8] [1 2]"),
        (r#"{{regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W"}}"#, "-W-xxW-"),
        (r#"{{regexReplaceAllLiteral "a(x*)b" "-ab-axxb-" "${1}"}}"#, "-${1}-${1}-"),
        (r#"{{regexSplit "z+" "pizza" -1}} {{regexSplit "," "a,b,c" 2}}"#, "[pi a] [a b,c]"),
        (r#"{{regexQuoteMeta "1.2.3"}} {{mustRegexMatch "a" "a"}} {{mustRegexFind "b" "abc"}}"#, r"1\.2\.3 true b"),
        (r#"{{mustRegexFindAll "a" "aa" -1}}{{mustRegexReplaceAll "a" "a" "b"}}"#, "[a a]b"),
        (r#"{{mustRegexSplit "," "a,b" -1}}{{mustRegexReplaceAllLiteral "a" "a" "b"}}"#, "[a b]b"),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("{{add 1 2 3}} {{add1 1}} {{sub 5 2}} {{div 7 2}} {{mod 7 2}} {{mul 2 3 4}}", "6 2 3 3 1 24"),
        ("{{max 1 3 2}} {{min 3 1 2}} {{add \"2\" 1.9}} {{add \"x\" true}}", "3 1 3 1"),
        (
            "{{addf 1.5 2}} {{subf 5 1.5}} {{mulf 1.5 2}} {{divf 3 2}} {{maxf 1 2.5}} {{minf 1 2.5}}",
            "3.5 3.5 3 1.5 2.5 1",
        ),
        ("{{ceil 1.1}} {{floor 1.9}} {{round 123.555555 3}} {{round 1.5 0}} {{round 1.5 0 0.6}}", "2 1 123.556 2 1"),
        (
            "{{int \"12\"}} {{int64 3.9}} {{float64 \"1.5\"}} {{atoi \"7\"}} {{toDecimal \"777\"}} {{int nil}}",
            "12 3 1.5 7 511 0",
        ),
        ("{{until 3}} {{until -2}} {{untilStep 3 6 2}}", "[0 1 2] [0 -1] [3 5]"),
        (
            "{{seq 3}}|{{seq 0}}|{{seq 0 2}}|{{seq 2 -1}}|{{seq 0 2 10}}|{{seq 0 -2 -5}}|{{seq}}",
            "1 2 3|1 0|0 1 2|2 1 0 -1|0 2 4 6 8 10|0 -2 -4|",
        ),
    ]);
}

#[test]
fn lists() {
    check(&[
        ("{{list 1 2}} {{tuple 1}} {{first (list 1 2)}} {{last (list 1 2)}}", "[1 2] [1] 1 2"),
        (
            "{{rest (list 1 2 3)}} {{initial (list 1 2 3)}} {{first (list)}} {{rest (list)}}",
            "[2 3] [1 2] <no value> []",
        ),
        (
            "{{append (list 1) 2}} {{push (list 1) 2}} {{prepend (list 1) 0}} {{concat (list 1) (list 2 3)}}",
            "[1 2] [1 2] [0 1] [1 2 3]",
        ),
        (
            "{{reverse (list 1 2)}} {{uniq (list 1 1 2)}} {{without (list 1 2 3) 2 3}} {{has 2 (list 1 2)}}",
            "[2 1] [1 2] [1] true",
        ),
        (
            "{{compact (list 1 0 \"\" \"a\")}} {{slice (list 1 2 3) 1}} {{slice (list 1 2 3) 0 1}} \
             {{chunk 2 (list 1 2 3)}}",
            "[1 a] [2 3] [1] [[1 2] [3]]",
        ),
        ("{{$a := list 1}}{{$b := append $a 2}}{{$a}}{{$b}}", "[1][1 2]"),
    ]);
}

#[test]
fn maps() {
    check(&[
        ("{{dict \"a\" 1 \"b\"}} {{get (dict \"a\" 1) \"a\"}} {{get (dict) \"a\"}}|", "map[a:1 b:] 1 |"),
        ("{{$d := dict}}{{$_ := set $d \"k\" \"v\"}}{{$d}} {{$_ := unset $d \"k\"}}{{$d}}", "map[k:v] map[]"),
        ("{{hasKey .Vars \"name\"}} {{hasKey .Vars \"nope\"}}", "true false"),
        ("{{pluck \"a\" (dict \"a\" 1) (dict \"b\" 2) (dict \"a\" 3)}}", "[1 3]"),
        ("{{keys .Vars.map}} {{values .Vars.map}} {{keys (dict \"x\" 1) (dict \"y\" 1)}}", "[a b] [1 2] [x y]"),
        ("{{pick .Vars.map \"a\"}} {{omit .Vars.map \"a\"}}", "map[a:1] map[b:2]"),
        (
            "{{merge (dict \"a\" 1 \"m\" (dict \"x\" 1)) (dict \"a\" 2 \"b\" 3 \"m\" (dict \"y\" 2))}}",
            "map[a:1 b:3 m:map[x:1 y:2]]",
        ),
        ("{{mergeOverwrite (dict \"a\" 1) (dict \"a\" 2 \"b\" 3)}}", "map[a:2 b:3]"),
        ("{{dig \"er\" \"still\" \"d\" .Vars.deep}} {{dig \"er\" \"no\" \"d\" .Vars.deep}}", "here d"),
        ("{{$d := deepCopy .Vars.deep}}{{$_ := set $d.er \"still\" \"x\"}}{{.Vars.deep.er.still}}", "here"),
    ]);
}

#[test]
fn defaults_conversions_and_types() {
    check(&[
        ("{{default \"d\" \"\"}} {{default \"d\" \"v\"}} {{.Vars.zero | default 7}} {{default 1}}", "d v 7 1"),
        ("{{empty \"\"}} {{empty 1}} {{coalesce 0 \"\" 3}} {{all 1 \"\"}} {{any 0 1}}", "true false 3 false true"),
        ("{{ternary \"y\" \"n\" true}} {{true | ternary \"y\" \"n\"}} {{ternary \"y\" \"n\" false}}", "y y n"),
        ("{{toString 1}}{{toString true}}", "1true"),
        (
            "{{toJson .Vars.map}} {{toJson \"<a>\"}} {{toRawJson \"<a>\"}} {{mustToJson nil}}",
            r#"{"a":1,"b":2} "\u003ca\u003e" "<a>" null"#,
        ),
        ("{{toPrettyJson (dict \"a\" (list 1 2))}}", "{\n  \"a\": [\n    1,\n    2\n  ]\n}"),
        (
            "{{(fromJson `{\"a\": [1, 2]}`).a}} {{fromJson `nope`}} {{(mustFromJson `{\"a\":1}`).a}}",
            "[1 2] <no value> 1",
        ),
        ("{{toJson (fromJson `[1, 1.5, 1e21, 1e-7, \"é\\u2028\"]`)}}", r#"[1,1.5,1e+21,1e-7,"é\u2028"]"#),
        (
            "{{kindOf 1}} {{kindOf \"a\"}} {{kindOf (list)}} {{kindOf (dict)}} \
             {{kindOf nil}} {{kindOf 1.5}} {{kindOf true}}",
            "int string slice map invalid float64 bool",
        ),
        (
            "{{kindIs \"int\" 1}} {{typeOf (dict)}} {{typeIs \"int\" 1}} \
             {{typeIsLike \"*int\" 1}} {{deepEqual (list 1) (list 1)}}",
            "true map[string]interface {} true true true",
        ),
    ]);
}

#[test]
fn encodings_versions_and_dates() {
    check(&[
        ("{{b64enc \"héllo\"}} {{b64dec \"aGk=\"}}", "aMOpbGxv hi"),
        ("{{sha256sum \"Hello world!\"}}", "c0535e4be2b79ffd93291305436bf889314e4a3faec05ecffcbb7df31ad9e51a"),
        ("{{sha512sum \"\" | trunc 16}}", "cf83e1357eefb8bd"),
        (
            "{{(semver \"1.2.3-alpha.1+123\").Minor}} {{(semver \"v1.2\").Original}} \
             {{(semver \"1.2.3-a\").Prerelease}}",
            "2 v1.2 a",
        ),
        (
            "{{date \"2006-01-02 15:04:05 Mon Jan 3PM MST\" now}} {{unixEpoch now}}",
            "2006-01-02 15:04:05 Mon Jan 3PM UTC 1136214245",
        ),
        ("{{date \"02.01.06\" 0}} {{now}}", "01.01.70 2006-01-02 15:04:05 +0000 UTC"),
    ]);
}

/// From the documentation of `Masterminds/semver`.
#[test]
fn semver_constraints_hold_as_in_masterminds_semver() {
    let cases = [
        ("1.2.3", "1.2.3", true),
        ("=1.2.3", "1.2.4", false),
        ("!=1.2.3", "1.2.4", true),
        (">= 1.2, < 3.0.0", "2.9.9", true),
        (">= 1.2 < 3.0.0", "3.0.0", false),
        (">=1.2 <3 || >=4.2.3", "4.2.3", true),
        ("1.2 - 1.4.5", "1.4.5", true),
        ("1.2 - 1.4.5", "1.4.6", false),
        ("1.2.x", "1.2.9", true),
        ("1.2.x", "1.3.0", false),
        (">= 1.2.x", "1.3.0", true),
        ("<= 2.x", "2.9.0", true),
        ("<= 2.x", "3.0.0", false),
        (">2", "2.5.0", false),
        (">2", "3.0.0", true),
        ("*", "9.9.9", true),
        ("~1.2.3", "1.2.9", true),
        ("~1.2.3", "1.3.0", false),
        ("~1", "1.9.0", true),
        ("~1", "2.0.0", false),
        ("^1.2.3", "1.9.9", true),
        ("^1.2.3", "2.0.0", false),
        ("^0.2.3", "0.2.9", true),
        ("^0.2.3", "0.3.0", false),
        ("^0.0.3", "0.0.4", false),
        ("^0.0", "0.0.9", true),
        ("^0", "0.9.0", true),
        (">1.2.3", "1.3.0-rc1", false),
        (">1.2.3-0", "1.3.0-rc1", true),
        ("=1.0.0-beta.2", "1.0.0-beta.11", false),
        ("<1.0.0-beta.11", "1.0.0-beta.2", true),
        ("1.2", "v1.2.7", true),
    ];
    for (constraint, version, expected) in cases {
        check(&[(&format!("{{{{semverCompare {constraint:?} {version:?}}}}}"), &expected.to_string())]);
    }
}

/// Every function is in the documentation, and the documentation promises no other.
#[test]
fn the_documentation_lists_the_functions_that_are_there() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/goss-templates.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = TOPICS.iter().map(|(topic, functions)| {
        let names: Vec<String> = functions.iter().map(|function| format!("`{}`", function.name)).collect();
        format!("| {topic} | {} |\n", names.join(" "))
    });
    let table: String = rows.collect();
    assert!(text.contains(&table), "docs/goss-templates.md must contain this table:\n\n{table}");
}

/// A function with two names or two with one would make the table lie; goss's own `regexMatch` is the only one.
#[test]
fn no_function_hides_another() {
    let mut names: Vec<&str> =
        TOPICS.iter().flat_map(|(_, functions)| functions.iter()).map(|function| function.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// Each function is called by some test of this file, so that one that panics or answers nothing is met.
#[test]
fn every_function_is_tested() {
    let tests = concat!(include_str!("functions.rs"), include_str!("language.rs"), include_str!("errors.rs"));
    let untested: Vec<&str> = TOPICS
        .iter()
        .flat_map(|(_, functions)| functions.iter())
        .map(|function| function.name)
        .filter(|name| ["{{", "(", "| ", " ", "\"{{"].iter().all(|before| !tests.contains(&format!("{before}{name}"))))
        .collect();
    assert_eq!(untested, Vec::<&str>::new());
}
