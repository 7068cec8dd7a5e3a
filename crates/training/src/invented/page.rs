//! The page of an invented mail.

use super::{Draw, Kind};

/// A page with these paragraphs, a button and a footer; of a newsletter also pictures and several links.
pub(super) fn page(
    draw: &mut Draw<'_>,
    kind: Kind,
    text: &[String],
    button: &str,
    footer: &str,
) -> String {
    let (is_news, is_false) = (kind == Kind::News, kind == Kind::False);
    let mut page = String::from(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title></title></head><body>",
    );
    if draw.chance(50) {
        let teaser = text.get(1).map_or("", String::as_str);
        page.push_str(&format!("<div style=\"display:none;max-height:0\">{teaser}</div>"));
    }
    let wide = draw.chance(60);
    if wide {
        page.push_str("<table width=\"600\" cellpadding=\"0\" cellspacing=\"0\"><tr><td>");
    }
    if draw.chance(60) {
        let (link, picture) = (draw.link("home"), draw.link("logo.png"));
        page.push_str(&format!(
            "<a href=\"{link}\"><img src=\"{picture}\" alt=\"\" width=\"120\"></a>"
        ));
    }
    let is_picture = is_false && draw.chance(15);
    if is_picture {
        let (link, picture) = (draw.link("go"), draw.link("offer.png"));
        page.push_str(&format!("<a href=\"{link}\"><img src=\"{picture}\"></a>"));
    }
    for paragraph in text.iter().filter(|_| !is_picture) {
        page.push_str(&format!("<p>{paragraph}</p>"));
        if is_news && draw.chance(50) {
            let (link, picture) = (draw.link("item"), draw.link("item.jpg"));
            let shown = draw.say("en", "news.button");
            page.push_str(&format!("<img src=\"{picture}\"><a href=\"{link}\">{shown}</a>"));
        }
    }
    let link = draw.link("go");
    page.push_str(&format!("<p><a href=\"{link}\" style=\"padding:12px\">{button}</a></p>"));
    if wide {
        page.push_str("</td></tr></table>");
    }
    page.push_str("<p style=\"font-size:11px\">");
    for piece in footer.split(" | ") {
        let link = draw.link("about");
        page.push_str(&format!("<a href=\"{link}\">{}</a> ", piece.replace('\n', "<br>")));
    }
    page.push_str("</p>");
    if draw.chance(60) {
        let link = draw.link("open.gif");
        page.push_str(&format!("<img src=\"{link}\" width=\"1\" height=\"1\">"));
    }
    page + "</body></html>"
}
