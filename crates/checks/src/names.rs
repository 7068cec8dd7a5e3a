//! The name of every piece of evidence that there is: what an administrator may set a weight for.

/// All names, in alphabetical order.
pub const ALL: [&str; 152] = [
    "advance_fee",
    "ambiguous",
    "arc_broken",
    "archive_password",
    "authenticated_allowed",
    "bare_cr",
    "brand_in_name",
    "broken_charset",
    "broken_content_type",
    "broken_encoding",
    "broken_header",
    "client_household",
    "dangerous_extension",
    "date_against_relay",
    "date_in_future",
    "date_in_past",
    "date_missing",
    "date_odd_zone",
    "date_unreadable",
    "disguised_program",
    "disguised_words",
    "dkim_broken",
    "dmarc_fail",
    "dmarc_pass",
    "dmarc_quarantine",
    "dmarc_reject",
    "dns_list_client",
    "dns_list_link",
    "dns_list_sender",
    "document_auto_action",
    "document_bomb",
    "document_dde",
    "document_embedded",
    "document_encrypted",
    "document_external",
    "document_javascript",
    "document_link_only",
    "document_macros",
    "document_unreadable",
    "double_extension",
    "duplicate_field",
    "eicar",
    "eight_bit_header",
    "empty_multipart",
    "encoded_container",
    "extortion",
    "false_reply",
    "form",
    "form_password",
    "formal",
    "free_mail_borrowed",
    "from_many",
    "from_missing",
    "from_without_domain",
    "gtube",
    "hash_list",
    "header_too_long",
    "helo_bare_address",
    "helo_is_ours",
    "helo_without_dot",
    "hidden_text",
    "homoglyphs",
    "html_only",
    "image_only",
    "invisible_characters",
    "learned",
    "learned_unknown",
    "link_brand_borrowed",
    "link_disguised_host",
    "link_free_host",
    "link_look_alike",
    "link_many_labels",
    "link_odd_port",
    "link_punycode",
    "link_runs_script",
    "link_shortened",
    "link_shows_other_host",
    "link_throw_away",
    "link_to_address",
    "link_userinfo",
    "listed_blacklisted",
    "listed_trusted",
    "loan_offer",
    "long_line",
    "mailbox_threat",
    "many_relays",
    "message_id_missing",
    "message_id_odd",
    "mime_version_missing",
    "missing_boundary",
    "mixed_line_ends",
    "name_holds_address",
    "name_poses_as_ours",
    "name_with_gap",
    "no_header",
    "nul_byte",
    "odd_archive",
    "other_reading",
    "page_attached",
    "page_attached_acts",
    "page_carried",
    "page_refresh",
    "page_script",
    "password_told",
    "program",
    "qr_link",
    "relays_backwards",
    "reply_to_elsewhere",
    "reply_to_free_mail",
    "reputation_allowed",
    "reputation_allowed_sender",
    "reputation_bulk",
    "reputation_left_out",
    "reputation_malware",
    "reputation_malware_link",
    "reputation_malware_sender",
    "reputation_phishing",
    "reputation_phishing_link",
    "reputation_phishing_sender",
    "reputation_spam",
    "reputation_spam_link",
    "reputation_spam_sender",
    "reputation_suspected",
    "reverse_none",
    "reverse_unconfirmed",
    "sender_disposable",
    "sender_look_alike",
    "sender_throw_away",
    "spf_fail",
    "spf_softfail",
    "subject_excited",
    "subject_gap",
    "subject_invisible",
    "subject_missing",
    "subject_mixed_script",
    "subject_names_address",
    "subject_shouted",
    "task_from_the_boss",
    "text_coloured_away",
    "text_off_screen",
    "text_tiny",
    "to_empty",
    "to_himself",
    "to_missing",
    "too_deep",
    "too_many_parts",
    "tracking_pixel",
    "turned_name",
    "type_against_name",
    "unclosed_multipart",
    "unknown_encoding",
    "wallet",
];

/// Whether there is evidence of this name.
#[must_use]
pub fn is_known(name: &str) -> bool {
    ALL.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one table that an administrator reads.
    #[test]
    fn every_name_has_its_row_in_the_document_and_every_row_its_name() {
        let document = include_str!("../../../docs/evidence.md");
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
        let names: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        assert_eq!(names, ALL);
    }

    #[test]
    fn names_are_sorted_unique_and_fit_for_headers() {
        assert!(ALL.is_sorted_by(|a, b| a < b));
        assert!(ALL.iter().all(|name| tamis_domain::policy::is_evidence_name(name)));
        for name in
            ["gtube", "eicar", "hash_list", "listed_trusted", "listed_blacklisted", "formal"]
        {
            assert!(is_known(name), "{name}");
        }
        assert!(!is_known("no_such_sign"));
    }
}
