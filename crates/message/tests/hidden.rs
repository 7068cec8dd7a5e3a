//! Text hidden in ways that take some knowledge of style sheets to see.

use tamis_message::reading::render;

#[test]
fn text_hidden_by_filters_escapes_and_what_is_important_is_not_seen() {
    let see = |page: &str, visible: &str, hidden_chars: u32| {
        let found = render(page);
        assert_eq!((&found.visible[..], found.hidden_chars), (visible, hidden_chars), "{page}");
    };
    see("a<b style='filter:opacity(0)'>x</b><b style='filter:opacity(.9)'>b</b>", "ab", 1);
    see("a<b style='d\\69splay:none'>x</b><b style='display:n\\6f ne'>y</b>", "a", 2);
    see(
        "<style>.h{display:none!important} .i{display:none}</style>\
         a<b class=h style='display:block'>x</b><b class=i style='display:block'>b</b>",
        "ab",
        1,
    );
}
