//! Templates as people write them, and promises about all others.

use proptest::prelude::*;

use super::*;

fn files(named: &[(&str, &str)]) -> BTreeMap<String, String> {
    named.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn one(text: &str) -> String {
    let inlined = inline(&files(&[("en.html", text)])).unwrap();
    let again = inline(&inlined).unwrap();
    assert_eq!(again, inlined, "inlining again");
    inlined["en.html"].clone()
}

/// What becomes of a body with these rules, and what stays of the rules.
fn with(css: &str, body: &str) -> (String, String) {
    let text = one(&format!("<style>{css}</style>{body}"));
    let (css, body) = text.strip_prefix("<style>").unwrap().split_once("</style>").unwrap();
    (body.to_owned(), css.to_owned())
}

fn body(css: &str, text: &str) -> String {
    with(css, text).0
}

fn problem(text: &str) -> String {
    inline(&files(&[("en.html", text)])).unwrap_err().to_string()
}

#[test]
fn rows_are_found_where_no_table_is() {
    let row = "{% for it in all %}<tr class=\"r\"><td class=n>{{ it }}</td></tr>{% endfor %}";
    let expected = "{% for it in all %}<tr class=\"r\" style=\"color:red\"><td class=n style=\"padding:0 4px\">{{ it }}</td></tr>{% endfor %}";
    let css = ".r { color: red } td.n { padding: 0 4px }";
    assert_eq!(body(css, row), expected);
    assert_eq!(body(css, &format!("<table>\n{row}\n</table>")), format!("<table>\n{expected}\n</table>"));
    // Alone in its file, too.
    let all = files(&[
        ("en.html", "<style>td { color: red }</style><table><tr>{% include \"_cell.html\" %}</tr></table>"),
        ("_cell.html", "<td>{{ x }}</td><td>y"),
    ]);
    assert_eq!(inline(&all).unwrap()["_cell.html"], "<td style=\"color:red\">{{ x }}</td><td style=\"color:red\">y");
}

#[test]
fn a_tag_is_changed_where_jinja_does_not_stand() {
    for (tag, expected) in [
        ("<p {% if x %}title=\"a > b\"{% endif %}>", "<p {% if x %}title=\"a > b\"{% endif %} style=\"color:red\">"),
        ("<p title=\"{{ '>' }}\"\n>", "<p title=\"{{ '>' }}\" style=\"color:red\"\n>"),
        ("<p {{ attributes }}>", "<p {{ attributes }} style=\"color:red\">"),
        ("<p data-x=a/>", "<p data-x=a/ style=\"color:red\">"),
        ("<P {# a > b #}>", "<P {# a > b #} style=\"color:red\">"),
        ("<p data-x='>' hidden />", "<p data-x='>' hidden style=\"color:red\" />"),
        ("<p{% if x %} hidden{% endif %}>", "<p{% if x %} hidden{% endif %} style=\"color:red\">"),
        ("<p style>", "<p style=\"color:red\">"),
        ("<p style=\"\">", "<p style=\"color:red\">"),
        ("<p style=margin:0>", "<p style=\"color:red;margin:0\">"),
        ("<p style=margin:{{ x }}>", "<p style=\"color:red;margin:{{ x }}\">"),
        ("<p style='margin: 0; '>", "<p style='color:red;margin: 0; '>"),
    ] {
        assert_eq!(body("p { color: red }", tag), expected, "{tag}");
    }
}

#[test]
fn what_an_attribute_held_stays_and_wins() {
    let css = "p { color: red; margin: 0; padding: 1px !important; top: 0 !important }";
    for (own, expected) in [
        ("color: blue", "margin:0;color: blue;padding:1px!important;top:0!important"),
        (
            "{% if x %}color: blue{% endif %}",
            "color:red;margin:0;{% if x %}color: blue{% endif %};padding:1px!important;top:0!important",
        ),
        ("{{ own }}", "color:red;margin:0;{{ own }};padding:1px!important;top:0!important"),
        (
            "padding: 0 !important; margin: {{ m }}; top: 1px;",
            "color:red;padding: 0 !important; margin: {{ m }}; top: 1px;top:0!important",
        ),
        (
            "background: url(a;color:b)",
            "color:red;margin:0;background: url(a;color:b);padding:1px!important;top:0!important",
        ),
        (
            "font-family: &quot;A;margin:B&quot;",
            "color:red;margin:0;font-family: &quot;A;margin:B&quot;;padding:1px!important;top:0!important",
        ),
    ] {
        assert_eq!(body(css, &format!("<p style=\"{own}\">")), format!("<p style=\"{expected}\">"), "{own}");
    }
}

#[test]
fn the_order_of_rules_is_that_of_css() {
    for (css, expected) in [
        (".a { color: red } .b { color: blue }", "color:blue"),
        (".b { color: blue } .a { color: red }", "color:red"),
        ("p.a { color: red } .b { color: blue }", "color:red"),
        ("#i { color: red } p.a.b { color: blue }", "color:red"),
        (".a { color: red !important } #i { color: blue }", "color:red!important"),
        ("#i { color: red !important } .a { color: blue !important }", "color:red!important"),
        // What is in the attribute comes in the order in which it counts: shorthands undo what stands before.
        (".a { padding-left: 1px } .b { padding: 0 } #i { padding-left: 2px }", "padding:0;padding-left:2px"),
        ("#i { padding: 0 } .a { padding-left: 1px }", "padding-left:1px;padding:0"),
        // For programs that know one of both.
        (
            ".a { background: red; background: linear-gradient(red, blue) }",
            "background:red;background:linear-gradient(red, blue)",
        ),
        (".a { font-family: \"Segoe UI\", Arial }", "font-family:'Segoe UI', Arial"),
        (".a { background: url(a?b&c) }", "background:url(a?b&amp;c)"),
        ("p, .a, .zz { color: red }", "color:red"),
    ] {
        let text = body(css, "<p class=\"a b\" id=i>x</p>");
        assert_eq!(text, format!("<p class=\"a b\" id=i style=\"{expected}\">x</p>"), "{css}");
    }
}

#[test]
fn what_cannot_be_in_an_attribute_stays() {
    let css = "\n/* gone */\n:root { color-scheme: light dark }\n.a, .a:hover, .no { color: red }\n@media (max-width: 9px) { .a { color: blue !important } }\n@font-face { src: url(x) }\n.a { top: 0 }\n#outlook a { padding: 0 }\ntr + tr { color: red }\n.a { width: 1px\\9 }\n";
    let (text, stays) = with(css, "<a class=a>x</a><tr></tr><tr></tr>");
    assert_eq!(text, "<a class=a style=\"color:red;top:0\">x</a><tr></tr><tr></tr>");
    assert_eq!(
        stays,
        "\n:root { color-scheme: light dark }\n.a:hover, .no { color: red }\n@media (max-width: 9px) { .a { color: blue !important } }\n@font-face { src: url(x) }\n#outlook a { padding: 0 }\ntr + tr { color: red }\n.a { width: 1px\\9 }\n"
    );
    assert_eq!(with(".a { color: red } /* of a */", "<p class=a>").1, "");
}

#[test]
fn what_is_for_small_screens_can_still_win() {
    let css = ".a { padding: 32px !important; color: red !important } @media (max-width: 9px) { .a { padding-left: 0 !important } }";
    assert_eq!(body(css, "<p class=a>"), "<p class=a style=\"padding:32px;color:red!important\">");
}

#[test]
fn a_sheet_that_jinja_decides_on_is_left_alone() {
    for sheet in [
        "<style>p { color: {{ colour }} }</style>",
        "<style>{# p #} p { color: red }</style>",
        "<style data-css-inline=\"ignore\">p { color: red }</style>",
        "<style media=\"print\">p { color: red }</style>",
        "{% if x %}<style>p { color: red }</style>{% endif %}",
        "{% macro m() %}<style>p { color: red }</style>{% endmacro %}",
        "<!--[if mso]><style>p { color: red }</style><![endif]-->",
    ] {
        let text = format!("{sheet}<p>x</p>");
        assert_eq!(one(&text), text);
    }
    let kept = "<style data-css-inline=keep>p { color: red }</style>";
    assert_eq!(one(&format!("{kept}<p>")), format!("{kept}<p style=\"color:red\">"));
}

#[test]
fn what_is_no_element_is_no_element() {
    let text = "<!doctype html><!-- <p> --><!--[if mso]><p class=\"mso\"><![endif]--><![if !mso]><title><p></title><textarea><p></textarea><script>\"<p>\"</script>{{ '<p>' }}{# <p> #}1 <2<!--[if !mso]><!--><i>x</i><!--<![endif]-->";
    let css = "p, .mso { color: red } i { color: blue }";
    let (text_after, stays) = with(css, text);
    assert_eq!(text_after, text.replace("<i>", "<i style=\"color:blue\">"));
    assert_eq!(stays, "p, .mso { color: red }");
    // A rule that is also for Outlook stays there.
    let (text, stays) =
        with(".a { color: red } .b { top: 0 }", "<!--[if mso]><p class=a><![endif]--><p class=\"a b\">");
    assert_eq!(text, "<!--[if mso]><p class=a><![endif]--><p class=\"a b\" style=\"color:red;top:0\">");
    assert_eq!(stays, ".a { color: red }");
    assert_eq!(
        body("p { color: red }", "{% raw %}<p>{{</p>{% endraw %}<p>"),
        "{% raw %}<p style=\"color:red\">{{</p>{% endraw %}<p style=\"color:red\">"
    );
}

#[test]
fn jinja_decides_on_the_style_as_on_the_class() {
    let css = ".a { color: red } .b { top: 0 } .c { color: blue }";
    for (tag, expected) in [
        ("<p class=\"a {% if x %}b{% endif %}\">", "{% if x %}color:red;top:0;{% else %}color:red;{% endif %}"),
        (
            "<p class=\"a{% if x %} c{% elif y %} b{% else %}{% endif %}\">",
            "{% if x %}color:blue;{% elif y %}color:red;top:0;{% else %}color:red;{% endif %}",
        ),
        (
            "<p {% if x -%} class=\"a\" {%- else %} class=\"b\" {% endif %}>",
            "{% if x -%}color:red;{%- else %}top:0;{% endif %}",
        ),
        (
            "<p class=\"{{ 'a' if x == ' if ' else 'b' }}\">",
            "{% if x == ' if ' %}color:red;{% else %}top:0;{% endif %}",
        ),
        ("<p class=\"{{ 'b' if x }}\">", "{% if x %}top:0;{% endif %}"),
        ("<p class=\"{% if x %}z{% endif %} a\">", "color:red"),
        (
            "<p class=\"{% if x %}a{% if y %} b{% endif %}{% endif %}\">",
            "{% if x %}{% if y %}color:red;top:0;{% else %}color:red;{% endif %}{% endif %}",
        ),
        ("<p class=\"a\" {% if x %}title=\"b\"{% endif %}>", "color:red"),
    ] {
        let (text, stays) = with(css, &format!("{tag}x</p><i class='a b c'></i>"));
        let own = tag.strip_suffix('>').unwrap();
        assert!(text.starts_with(&format!("{own} style=\"{expected}\">")), "{tag}: {text}");
        assert_eq!(stays, "", "{tag}");
    }
}

#[test]
fn what_a_made_class_could_be_stays() {
    let css = ".a { color: red } .b-1 { top: 0 } p { left: 0 }";
    let inlined = |tag: &str| with(css, &format!("<p class=\"a b-1\">{tag}"));
    let first = "<p class=\"a b-1\" style=\"left:0;color:red;top:0\">";
    let (text, stays) = inlined("<p class=\"b-{{ n }}\">");
    assert_eq!(
        (text.as_str(), stays.as_str()),
        (format!("{first}<p class=\"b-{{{{ n }}}}\" style=\"left:0\">").as_str(), " .b-1 { top: 0 }")
    );
    assert_eq!(inlined("<p class=\"{{ kind }}\">").1, ".a { color: red } .b-1 { top: 0 }");
    assert_eq!(inlined("<{{ tag }} class=\"a\"></{{ tag }}>").1, " p { left: 0 }");
    assert_eq!(inlined("<p class=\"{% for it in all %}a {% endfor %}\">").1, ".a { color: red } .b-1 { top: 0 }");
    // What is important goes into all of them, or into none.
    let (text, stays) = with(".a { color: red !important }", "<p class=a><p class={{ x }}>");
    assert_eq!((text.as_str(), stays.as_str()), ("<p class=a><p class={{ x }}>", ".a { color: red !important }"));
}

#[test]
fn an_element_whose_style_jinja_decides_on_is_left_alone() {
    for tag in [
        "<p class=a {% if x %}style=\"top: 0\"{% endif %}>",
        "<p class=a style=\"top: 0\" style=\"left: 0\">",
        "<p class=a data-css-inline=\"ignore\">",
        "<p {% if x %}class=a>{% else %}class=b>{% endif %}",
    ] {
        let (text, stays) = with(".a { color: red }", &format!("{tag}<b class=a>"));
        assert_eq!(
            (text.as_str(), stays.as_str()),
            (format!("{tag}<b class=a style=\"color:red\">").as_str(), ".a { color: red }")
        );
    }
}

#[test]
fn what_stands_around_an_element_must_stand_around_it_in_any_case() {
    let css = ".card p { color: red }";
    let red = "<p style=\"color:red\">";
    for (text, expected, stays) in [
        ("<div class=card><p></div><p>", format!("<div class=card>{red}</div><p>"), false),
        (
            "<div class=card>{% if x %}<p>{% else %}<p>{% endif %}</div>",
            format!("<div class=card>{{% if x %}}{red}{{% else %}}{red}{{% endif %}}</div>"),
            false,
        ),
        (
            "{% if x %}<div class=card>{% endif %}<p>{% if x %}</div>{% endif %}<div class=card><p></div>",
            format!(
                "{{% if x %}}<div class=card>{{% endif %}}<p>{{% if x %}}</div>{{% endif %}}<div class=card>{red}</div>"
            ),
            true,
        ),
        (
            "{% if x %}<div class=card>{% else %}<div>{% endif %}<p></div><div class=card><p></div>",
            format!("{{% if x %}}<div class=card>{{% else %}}<div>{{% endif %}}<p></div><div class=card>{red}</div>"),
            true,
        ),
        (
            "<div class=\"{% if x %}card{% endif %}\"><p></div><div class=card><p></div>",
            format!("<div class=\"{{% if x %}}card{{% endif %}}\"><p></div><div class=card>{red}</div>"),
            true,
        ),
        ("<div class=\"card {{ x }}\"><p></div>", format!("<div class=\"card {{{{ x }}}}\">{red}</div>"), false),
    ] {
        let (found, rest) = with(css, text);
        assert_eq!((found.as_str(), rest == css), (expected.as_str(), stays), "{text}");
    }
    assert_eq!(body("table > tr > td { color: red }", "<table><tr><td>"), "<table><tr><td>");
    assert_eq!(body("tbody > tr > td { color: red }", "<table><tr><td>"), "<table><tr><td style=\"color:red\">");
    assert_eq!(
        body("ul > li { color: red } li > li { top: 0 }", "<ul><li>a<li>b</ul>"),
        "<ul><li style=\"color:red\">a<li style=\"color:red\">b</ul>"
    );
}

#[test]
fn files_that_make_a_page_share_their_rules() {
    let inlined = inline(&files(&[
        ("_shared/layout.html", "<style>.a { color: red } .card p { top: 0 } .big { left: 0 }</style>{% include '_head.html' %}<div class=\"card a\">{% block b %}{% endblock %}</div>"),
        ("one/_head.html", "<h1 class=a>"),
        ("one/en.html", "{% extends '_shared/layout.html' %}{% block b %}<style>.big { color: blue }</style><p class=\"a big\">{% endblock %}"),
        ("one/de.html", "{%- extends '_shared/layout.html' -%}{% block b %}<p class=big>{% endblock %}"),
        ("two/each.html", "{% extends '_shared/layout.html' %}{% block b %}{% include '_row.html' %}{% endblock %}"),
        ("two/_row.html", "<p class=a>"),
        ("two/_alone.html", "<style>.a { color: green }</style><p class=a>"),
        ("three/en.html", "<p class=a>"),
        ("one/en.txt", "<p class=a>"),
    ])).unwrap();
    assert_eq!(
        inlined["_shared/layout.html"],
        "<style> .card p { top: 0 }</style>{% include '_head.html' %}<div class=\"card a\" style=\"color:red\">{% block b %}{% endblock %}</div>"
    );
    assert_eq!(inlined["one/_head.html"], "<h1 class=a style=\"color:red\">");
    assert_eq!(
        inlined["one/en.html"],
        "{% extends '_shared/layout.html' %}{% block b %}<style></style><p class=\"a big\" style=\"left:0;color:blue\">{% endblock %}"
    );
    // Another page's rules are not its own.
    assert_eq!(
        inlined["one/de.html"],
        "{%- extends '_shared/layout.html' -%}{% block b %}<p class=big style=\"left:0\">{% endblock %}"
    );
    assert_eq!(inlined["two/_row.html"], "<p class=a style=\"color:red\">");
    assert_eq!(inlined["two/_alone.html"], "<style></style><p class=a style=\"color:green\">");
    assert_eq!((inlined["three/en.html"].as_str(), inlined["one/en.txt"].as_str()), ("<p class=a>", "<p class=a>"));
    assert_eq!(inline(&inlined).unwrap(), inlined);
}

#[test]
fn a_rule_of_one_page_does_not_reach_into_a_file_of_another() {
    let inlined = inline(&files(&[
        ("_row.html", "<p class=a>"),
        ("de.html", "{% include '_row.html' %}"),
        ("en.html", "<style>.a { color: red }</style>{% include '_row.html' %}<p class=a>"),
    ]))
    .unwrap();
    assert_eq!(inlined["_row.html"], "<p class=a>");
    assert_eq!(
        inlined["en.html"],
        "<style>.a { color: red }</style>{% include '_row.html' %}<p class=a style=\"color:red\">"
    );
}

#[test]
fn a_block_that_is_filled_anew_takes_its_rules_along() {
    let layout =
        "<head>{% block css %}<style>.a { color: red }</style>{% endblock %}</head>{% block b %}{% endblock %}";
    let page = |css| {
        format!(
            "{{% extends '_layout.html' %}}{{% block css %}}{css}{{% endblock %}}{{% block b %}}<p class=a>{{% endblock %}}"
        )
    };
    let inlined =
        |css| inline(&files(&[("_layout.html", layout), ("en.html", &page(css))])).unwrap()["en.html"].clone();
    assert!(inlined("{{ super() }}").ends_with("<p class=a style=\"color:red\">{% endblock %}"));
    assert!(inlined("<style>.a { top: 0 }</style>").ends_with("<p class=a style=\"top:0\">{% endblock %}"));
}

#[test]
fn what_stays_is_told_with_its_line_and_reason() {
    let text = "<p>\n<style>\n.a { color: red }\n@media (max-width:\n 9px) { .a { color: blue } }\n.zz,\n a:hover { top: 0 }\n</style><p class=a>";
    let told = inline_and_tell(&files(&[("en.html", text)])).unwrap().kept;
    let told: Vec<_> = told.iter().map(|it| (it.line, it.what.as_str(), it.why)).collect();
    assert_eq!(
        told,
        [
            (4, "@media (max-width: 9px)", None),
            (6, ".zz", Some("no element of the templates is matched")),
            (6, "a:hover", None),
        ]
    );
}

#[test]
fn what_a_file_refers_to_is_found() {
    let named =
        |source| references("en.html", source).unwrap().map(|names| names.into_iter().collect::<Vec<_>>().join(" "));
    let source = "{% extends '_a.html' %}{# {% include 'no.html' %} #}{%- include ['b.html', \"c.html\"] ignore missing -%}{% from 'd.html' import x as y %}{% import 'e.html' as e %}{% raw %}{% include 'no.html' %}{% endraw %}{{ 'include' }}";
    assert_eq!(named(source).as_deref(), Some("_a.html b.html c.html d.html e.html"));
    assert_eq!((named("{% include part %}"), named("{% include 'a' ~ b %}")), (None, None));
    assert_eq!(expressions("en.html", "{{ a }}{# b #}{%- c -%}").unwrap(), ["a", "c"]);
    assert_eq!(expressions("en.html", "\n{{ a").unwrap_err().line, 2);
}

#[test]
fn what_is_not_closed_is_told_with_its_line() {
    for (text, expected) in [
        (
            "a\n{{ b",
            "en.html:2: this `{{` is not closed; close it with `}}`, or write `{{ '{{' }}` where braces are meant",
        ),
        ("a\n{% if '%}'", "en.html:2: this `{%` is not closed; close it with `%}`"),
        ("a\n\n{# b", "en.html:3: this comment is not closed; close it with `#}`"),
        ("{% raw %}\n{{", "en.html:1: this `{% raw %}` is not closed; close it with `{% endraw %}`"),
        ("\n<!-- b", "en.html:2: this comment is not closed; close it with `-->`"),
        ("\n<style>p", "en.html:2: this <style> is not closed; close it with `</style>`"),
        ("\n<p class=\"a", "en.html:2: the tag <p is not closed; close it with `>`, and its quotes with quotes"),
    ] {
        assert_eq!(problem(text), expected);
    }
}

/// Pieces of which templates are made, so that most have something to find.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<p class=\"a\">",
        "<p class='a b' id=i>",
        "<div class=\"card {% if x %}a{% endif %}\">",
        "</div>",
        "</p>",
        "<td class=b>",
        "<tr>",
        "<table>",
        "</table>",
        "{% for it in all %}",
        "{% endfor %}",
        "{% if x %}",
        "{% else %}",
        "{% endif %}",
        "{{ name }}",
        "{# <p> #}",
        "text < more",
        "<p style=\"color: {{ c }}; top: 0\" class=a>",
        "<b style=left:0 class='b'>",
        "<i class=\"{{ 'a' if y else 'b' }}\">",
        "<br/>",
        "<img src=x/>",
        "<style>.a { color: red } p { top: 1px } /* x */</style>",
        "<style>.card p, .b:hover { color: blue !important }</style>",
        "<style>.b { padding: 0 } .b { padding-left: 1px } @media x { .b { padding: 1px !important } }</style>",
        "<!-- <p class=a> -->",
        "<!--[if mso]><p class=a><![endif]-->",
        "<title>{{ t }} <p></title>",
        "{% raw %}{{ <p class=a>{% endraw %}",
        "<u class=\"{{ kind }}\">",
        "<s {{ attributes }} class=b>",
        "<p {% if x %}style=\"top: 0\"{% endif %} class=a>",
        "\n",
        "é🙂",
        "<",
        ">",
        "\"",
        "{% include '_other.html' %}",
        "<h{{ n }} class=a>",
        "<a title='{{ \">\" }}' class=\"a{% if x %} b{% else %} c{% endif %}\">",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// The text without `style` attributes and without what stands in `<style>` elements.
fn bare(text: &str) -> String {
    let jinja = jinja::Jinja::of(text).unwrap();
    let markup = markup::Markup::of(&jinja.masked(text)).unwrap();
    let attributes = markup.tags.iter().flat_map(|tag| &tag.attributes).filter(|attribute| attribute.name == "style");
    let blanks = |at: usize| text[..at].len() - text[..at].trim_end().len();
    let mut gone: Vec<_> = attributes.map(|it| it.range.start - blanks(it.range.start)..it.range.end).collect();
    gone.extend(markup.styles.iter().map(|(_, text)| text.clone()));
    gone.sort_by_key(|range| range.start);
    let (mut bare, mut at) = (String::new(), 0);
    for range in gone {
        bare.push_str(&text[at..range.start]);
        at = range.end;
    }
    bare + &text[at..]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nothing_changes_but_styles_and_only_once(page in pieces(), other in pieces()) {
        let before = files(&[("_other.html", &other), ("en.html", &page)]);
        let Ok(after) = inline(&before) else { return Ok(()) };
        for (name, text) in &before {
            prop_assert_eq!(bare(text), bare(&after[name]));
            let tags = |text: &str| jinja::Jinja::of(text).unwrap().pieces.iter().map(|it| text[it.range.clone()].to_owned()).collect::<Vec<_>>();
            let (old, new) = (tags(text), tags(&after[name]));
            let mut rest = new.iter();
            prop_assert!(old.iter().all(|tag| rest.any(|it| it == tag)), "{:?} in {:?}", old, new);
        }
        prop_assert_eq!(&inline(&after).unwrap(), &after);
    }

    #[test]
    fn no_text_is_too_odd(text in "[a-c<>/!{}%#'\"= \\-&;:.*@\\[\\]\\n]{0,60}|(<p|<style>|</style>|\\{%|%\\}|\\{\\{|\\}\\}|\\{#|#\\}| if | x | class=|[ \"'a>;{}:]){0,20}") {
        let before = files(&[("en.html", &text)]);
        if let Ok(after) = inline(&before) {
            prop_assert_eq!(&inline(&after).unwrap(), &after);
        }
    }
}
