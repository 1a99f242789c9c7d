//! Expressions and what they come to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const ORDER: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<!-- stock -->
<order date="2019-02-01">
  <address xmlns:b="http://localhost/b"><b:name id="7">Mary Adams</b:name><b:city>Old Town</b:city></address>
  <items>
    <book isbn="1"><title>Harry Potter</title><quantity>1</quantity><price>25</price></book>
    <book isbn="2" sold=""><title>Le  seigneur &amp; "l'anneau"</title><quantity>3</quantity><price>18.5</price><empty/></book>
    <note>late<!-- very --> again</note>
    <data><![CDATA[1 < 2]]></data>
  </items>
  <?print twice?>
</order>"#;

/// The value as the matcher compares it.
fn value(document: &str, expression: &str) -> String {
    let document = super::document(document).unwrap();
    let xpath = XPath::parse(expression).unwrap_or_else(|wrong| panic!("{expression}: {wrong:?}"));
    match xpath.evaluate(&document).unwrap() {
        Value::Nodes(nodes) => printed(&nodes),
        Value::Number(number) => go_number(number),
        Value::Text(text) => text,
        Value::Truth(truth) => truth.to_string(),
    }
}

#[track_caller]
fn are(table: &[(&str, &str)]) {
    for (expression, expected) in table {
        assert_eq!(value(ORDER, expression), *expected, "{expression}");
    }
}

#[test]
fn paths_find_nodes_in_the_order_of_the_document() {
    are(&[
        ("/order/items/book/quantity", "<quantity>1</quantity><quantity>3</quantity>"),
        ("//price/text()", "2518.5"),
        ("//book[1]/@isbn", "<isbn>1</isbn>"),
        ("//@isbn", "<isbn>1</isbn><isbn>2</isbn>"),
        ("//book/@sold", "<sold/>"),
        ("//empty", "<empty/>"),
        ("//book[2]/empty/..//title/text()", "Le  seigneur &amp; &#34;l&#39;anneau&#34;"),
        ("//b:city | //b:name", "<b:name id=\"7\">Mary Adams</b:name><b:city>Old Town</b:city>"),
        ("//b:*[1]/text()", "Mary Adams"),
        ("//city", ""),
        ("//*[local-name()='city']/text()", "Old Town"),
        ("//data/node()", "<![CDATA[1 < 2]]>"),
        ("//comment()", "<!-- stock --><!-- very -->"),
        ("//processing-instruction('print')", "<?print twice?>"),
        ("//note", "<note>late<!-- very -->again</note>"),
        ("(//quantity)[last()]", "<quantity>3</quantity>"),
        ("id", ""),
    ]);
}

#[test]
fn axes_lead_to_their_nodes_nearest_first() {
    are(&[
        ("//title[1]/following-sibling::*[1]", "<quantity>1</quantity><quantity>3</quantity>"),
        ("//price/preceding-sibling::*[1]", "<quantity>1</quantity><quantity>3</quantity>"),
        ("count(//title[1]/ancestor::*)", "4"),
        ("name(//empty/ancestor::*[1])", "book"),
        ("name(//empty/ancestor-or-self::*[1])", "empty"),
        ("count(//items/descendant::price)", "2"),
        ("//empty/parent::book/@isbn", "<isbn>2</isbn>"),
        ("//empty/self::title", ""),
        ("//book[1]/following::price", "<price>18.5</price>"),
        ("//book[2]/preceding::title", "<title>Harry Potter</title>"),
        ("count(//@isbn/..)", "2"),
        ("//book/child::title[. = 'Harry Potter']/../attribute::isbn", "<isbn>1</isbn>"),
        ("count(//@isbn/following::price)", "2"),
    ]);
}

#[test]
fn predicates_are_places_or_truths() {
    are(&[
        ("//book[2]/quantity/text()", "3"),
        ("//book[position() = last()]/quantity/text()", "3"),
        ("//book[price > 20]/@isbn", "<isbn>1</isbn>"),
        ("//book[price < 20 and quantity != 1]/@isbn", "<isbn>2</isbn>"),
        ("//book[@sold]/@isbn", "<isbn>2</isbn>"),
        ("//book[not(@sold)][1]/@isbn", "<isbn>1</isbn>"),
        ("//book[title='Harry Potter'][quantity=1]/price/text()", "25"),
        ("//book[3]", ""),
        ("//book[count(*) - 1]", ""),
        ("//*[self::price or self::quantity][. >= 18.5]/text()", "2518.5"),
    ]);
}

#[test]
fn operators_bind_as_they_should() {
    are(&[
        ("1 + 2 * 3 - 4 div 2", "5"),
        ("7 mod -2", "1"),
        ("- -3", "3"),
        ("2 = 2 = true()", "true"),
        ("1 < 2 < 3", "true"),
        ("3 > 2 > 1", "false"),
        ("true() or false() and false()", "true"),
        ("//price * 2", "50"),
        ("//items/* = '25'", "false"),
        ("//price = //price/text()", "true"),
        ("//price != //price", "true"),
        ("//nothing = ''", "false"),
        ("not(//nothing)", "true"),
        ("//nothing = false()", "true"),
        ("'a' = \"a\"", "true"),
        ("'1' < 2", "true"),
        ("1 div 0", "+Inf"),
        ("-1 div 0", "-Inf"),
        ("0 div 0", "NaN"),
        ("1000000 * 1.5", "1.5E+06"),
        ("999999", "999999"),
        ("0.00001", "1E-05"),
        ("0.5", "0.5"),
    ]);
}

#[test]
fn functions_are_those_of_the_core() {
    are(&[
        ("count(//book)", "2"),
        ("sum(//price)", "43.5"),
        ("boolean(//book[title='Dune'])", "false"),
        ("string(//title)", "Harry Potter"),
        ("string(1 div 0)", "Infinity"),
        ("string(-0)", "0"),
        ("string(1.50)", "1.5"),
        ("string-length(//title)", "12"),
        ("string-length('ä€')", "2"),
        ("concat('a', 1, true())", "a1true"),
        ("contains(//title, 'Pot')", "true"),
        ("starts-with(//title, 'Pot')", "false"),
        ("substring('12345', 2, 3)", "234"),
        ("substring('12345', 1.5, 2.6)", "234"),
        ("substring('12345', 0, 3)", "12"),
        ("substring('12345', 0 div 0)", ""),
        ("substring('12345', 4)", "45"),
        ("substring-before('1999/04/01', '/')", "1999"),
        ("substring-after('1999/04/01', '/')", "04/01"),
        ("substring-after('a', 'x')", ""),
        ("normalize-space(//book[2]/title)", "Le seigneur & \"l'anneau\""),
        ("translate('bar', 'abc', 'AB')", "BAr"),
        ("translate('--aaa--', 'abc-', 'ABC')", "AAA"),
        ("name(//b:city)", "b:city"),
        ("local-name(//b:city)", "city"),
        ("namespace-uri(//b:city)", "http://localhost/b"),
        ("name(//nothing)", ""),
        ("name(/*/@date)", "date"),
        ("number('12.5') + number(true())", "13.5"),
        ("number('1e5')", "NaN"),
        ("number('')", "NaN"),
        ("floor(-1.5)", "-2"),
        ("ceiling(1.2)", "2"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-2"),
        ("position() + last()", "2"),
    ]);
}

#[test]
fn names_of_operators_and_functions_are_names_where_one_is_expected() {
    let document = "<and><or div='1'><count>2</count><mod/></or><a-b>3</a-b></and>";
    for (expression, expected) in [
        ("and/or/count/text()", "2"),
        ("/and/or[@div = 1 and count]/mod", "<mod/>"),
        ("count(and/or/*)", "2"),
        ("/and/a-b/text()", "3"),
        ("and/or/count * 2", "4"),
        ("count(//*) div 5 * 2", "2"),
    ] {
        assert_eq!(value(document, expression), expected, "{expression}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (expression, at, message) in [
        ("", 1, "the expression ends too early"),
        ("//book[", 8, "the expression ends too early"),
        ("count(//book", 13, "`,` or `)` is missing"),
        ("//book[title='x]", 14, "this text has no end"),
        ("COUNT(//book)", 1, "there is no function `COUNT`"),
        ("count(1)", 7, "nodes are needed here, and this is a value"),
        ("count(//a, //b)", 1, "`count` takes 1 argument"),
        ("substring('a')", 1, "`substring` takes 2 to 3 arguments"),
        ("//a | 'b'", 7, "nodes are needed here, and this is a value"),
        ("'a'/b", 1, "nodes are needed here, and this is a value"),
        ("//a b", 5, "the expression ends here, and more follows"),
        ("//ä/$x", 5, "a step of a path is missing"),
        ("$x", 1, "there are no variables"),
        ("uncle::a", 1, "there is no axis `uncle`"),
        ("namespace::a", 1, "there is no axis `namespace`"),
        ("//a#", 4, "`#` has no meaning here"),
        ("a[1", 4, "`]` is missing"),
        ("id('x')", 1, "there is no function `id`"),
        ("//a:", 3, "no name follows the prefix"),
    ] {
        let wrong = XPath::parse(expression).unwrap_err();
        assert_eq!((wrong.at, wrong.message.as_str()), (at, message), "{expression}");
    }
}

#[test]
fn expressions_and_documents_without_bounds_are_refused() {
    for expression in ["(".repeat(4000), "-".repeat(5000), "a[".repeat(2000), format!("1{}", "+1".repeat(2000))] {
        assert!(XPath::parse(&expression).is_err());
    }
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert_eq!(document(&deep).unwrap_err(), "its elements nest deeper than 256 levels");
    assert!(document(&format!("<a>{}</a>", "<b/>".repeat(600_000))).unwrap_err().contains("limit"));
    let entities = "<!DOCTYPE a [<!ENTITY b 'bbbb'>]><a>&b;</a>";
    assert_eq!(document(entities).unwrap_err(), "it declares entities");
    assert_eq!(value("<!DOCTYPE a SYSTEM 'a.dtd'><a>&lt;</a>", "/a"), "<a>&lt;</a>");
    let wide = format!("<a>{}</a>", "<b/>".repeat(10_000));
    let wide = document(&wide).unwrap();
    let slow = XPath::parse("//b[count(//b[count(//b) = 1]) = 1]").unwrap();
    assert_eq!(slow.evaluate(&wide).unwrap_err(), "it takes more than 5000000 steps");
    for nothing in ["", "text", "<a>", "<a></b>"] {
        assert!(document(nothing).is_err(), "{nothing}");
    }
}

#[test]
fn elements_are_written_with_what_they_declare() {
    let document = "<r xmlns='urn:r' xmlns:x = \"urn:x\" a='1 &gt; 0'\n x:b=\"'\"><s xml:space='preserve'> t </s></r>";
    let expected =
        "<r xmlns=\"urn:r\" xmlns:x=\"urn:x\" a=\"1 &gt; 0\" x:b=\"&#39;\"><s xml:space=\"preserve\"> t </s></r>";
    assert_eq!(value(document, "/r"), expected);
    assert_eq!(value(document, "string(//@x:b)"), "'");
    assert_eq!(value(document, "count(//@*)"), "3");
}
