//! One function for each decoder. Its name is the name of its seeds and of its fuzzer.

use crate::Target;

/// The list of targets and the paths to them, written once.
macro_rules! targets {
    ($list:ident: $($name:ident in $module:ident,)+) => {
        $(pub use self::$module::$name;)+

        /// Targets of these rooms, in the order of a mail's way.
        pub const $list: &[Target] =
            &[$(Target { name: stringify!($name), run: $name },)+];
    };
}

#[cfg(feature = "services")]
mod admin_words;
mod answering;
mod asking;
mod bases_filter;
mod bases_list;
mod bases_manifest;
mod bases_messages;
mod dialogue_pair;
mod dissect;
mod documents;
mod edit_there_and_back;
mod header_read;
mod learned_records;
#[cfg(feature = "services")]
mod learning_words;
#[cfg(feature = "services")]
mod log_records;
mod milter_frame;
mod milter_session;
mod packet_there_and_back;
mod pictures;
mod policy_config;
mod read_part;
#[cfg(feature = "services")]
mod redis_address;
mod redis_value;
#[cfg(feature = "services")]
mod scan_convert;
mod sealing;
mod sightings_news;
mod sketches;
mod smtp_client;
mod smtp_data;
mod smtp_line;
mod smtp_reply;
mod smtp_server;
#[cfg(feature = "services")]
mod verdict_records;

targets! { PURE:
    smtp_line in smtp_line,
    smtp_reply in smtp_reply,
    smtp_data in smtp_data,
    smtp_server in smtp_server,
    lmtp_server in smtp_server,
    smtp_client in smtp_client,
    milter_frame in milter_frame,
    milter_session in milter_session,
    dissect in dissect,
    header_read in header_read,
    read_part in read_part,
    pictures in pictures,
    documents in documents,
    codes in documents,
    sketches in sketches,
    edit_there_and_back in edit_there_and_back,
    packet_there_and_back in packet_there_and_back,
    answering in answering,
    asking in asking,
    sightings_news in sightings_news,
    sealing in sealing,
    dialogue_pair in dialogue_pair,
    policy_config in policy_config,
    redis_value in redis_value,
    learned_records in learned_records,
    bases_manifest in bases_manifest,
    bases_list in bases_list,
    bases_filter in bases_filter,
    bases_messages in bases_messages,
}

#[cfg(feature = "services")]
targets! { SERVICES:
    scan_convert in scan_convert,
    log_records in log_records,
    redis_address in redis_address,
    verdict_records in verdict_records,
    admin_words in admin_words,
    learning_words in learning_words,
}
