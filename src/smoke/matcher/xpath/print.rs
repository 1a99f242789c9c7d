//! Nodes as XML, in the way of the library that goss uses: texts without blanks around them, five characters escaped as in
//! HTML, an attribute like an element with its name.

use roxmltree::{Node, NodeType};

use super::nodes::Item;

pub(super) fn item(item: Item<'_>) -> String {
    let mut text = String::new();
    match item.attribute {
        Some((_, attribute)) => {
            let name = item.name();
            let value = escaped(attribute.value().trim());
            text.push_str(&if value.is_empty() { format!("<{name}/>") } else { format!("<{name}>{value}</{name}>") });
        }
        None => node(&mut text, item.node, keeps_blanks(item.node, false)),
    }
    text
}

/// Documents that nest too deep for this were refused.
fn node(out: &mut String, node: Node<'_, '_>, keeps: bool) {
    match node.node_type() {
        NodeType::Root => node.children().for_each(|child| self::node(out, child, keeps)),
        NodeType::Element => element(out, node, keeps),
        NodeType::Text => out.push_str(&text(node, keeps)),
        NodeType::Comment => out.push_str(&format!("<!--{}-->", node.text().unwrap_or_default())),
        NodeType::PI => out.push_str(node.document().input_text().get(node.range()).unwrap_or_default()),
    }
}

fn element(out: &mut String, element: Node<'_, '_>, keeps: bool) {
    let keeps = keeps_blanks(element, keeps);
    let name = Item::of(element).name();
    out.push_str(&format!("<{name}"));
    let mut values = element.attributes();
    for (name, raw) in written_attributes(element) {
        let is_declaration = name == "xmlns" || name.starts_with("xmlns:");
        let value = if is_declaration { Some(raw) } else { values.next().map(|attribute| attribute.value()) };
        out.push_str(&format!(" {name}=\"{}\"", escaped(value.unwrap_or(raw))));
    }
    if !element.has_children() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    element.children().for_each(|child| node(out, child, keeps));
    out.push_str(&format!("</{name}>"));
}

/// Names and raw values in the tag, those that declare name spaces too.
fn written_attributes<'a>(element: Node<'a, '_>) -> Vec<(&'a str, &'a str)> {
    let source = element.document().input_text().get(element.range()).unwrap_or_default();
    let mut rest = source.get(1 + Item::of(element).name().len()..).unwrap_or_default();
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some((name, after)) = rest.split_once('=') else { return found };
        if rest.starts_with(['>', '/']) {
            return found;
        }
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { return found };
        let Some((value, after)) = after[1..].split_once(quote) else { return found };
        found.push((name.trim_end(), value));
        rest = after;
    }
}

fn text(node: Node<'_, '_>, keeps: bool) -> String {
    let source = node.document().input_text().get(node.range()).unwrap_or_default();
    let is_one_section = source.starts_with("<![CDATA[") && source.find("]]>") == source.len().checked_sub(3);
    if is_one_section {
        return source.to_owned();
    }
    let text = node.text().unwrap_or_default();
    escaped(if keeps { text } else { text.trim() })
}

fn keeps_blanks(node: Node<'_, '_>, keeps: bool) -> bool {
    match node.attribute(("http://www.w3.org/XML/1998/namespace", "space")) {
        Some("preserve") => true,
        Some("default") => false,
        _ => keeps,
    }
}

/// Go's `html.EscapeString`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '\'' => escaped.push_str("&#39;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            char => escaped.push(char),
        }
    }
    escaped
}
