//! The port and the library as firmware has them, on this machine: C programs with real lwIP and real
//! mbedTLS against a real broker. `rig` builds and runs them; `../c` has what they do.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests panic, and say why they are skipped"
)]

mod component;
mod examples;
mod headers;
mod rig;

use std::path::Path;

use rig::Program;
use testkit::machine::missing;

/// Each scenario of `../c`. Those of the `port` alone run on lwIP and on POSIX, those of the library also
/// under valgrind, and those that are `slow` on lwIP only: they wait for up to half a minute. Those that
/// begin with `lwip` need that stack.
macro_rules! scenarios {
    (slow { $($slow:ident)* } port { $($port:ident)* }
     library { $($library:ident)* }) => {
        const SCENARIOS: &[&str] = &[
            $(stringify!($slow),)*
            $(stringify!($port),)* $(stringify!($library),)*
        ];

        /// On lwIP, with sanitizers in all C code.
        mod lwip {
            $(#[test] fn $slow() { crate::run(crate::Program::LwipSanitized, stringify!($slow)); })*
            $(#[test] fn $port() { crate::run(crate::Program::LwipSanitized, stringify!($port)); })*
            $(#[test] fn $library() {
                crate::run(crate::Program::LwipSanitized, stringify!($library));
            })*
        }
        /// On lwIP under valgrind, which watches the library, too.
        mod valgrind {
            $(#[test] fn $library() {
                crate::run(crate::Program::LwipValgrind, stringify!($library));
            })*
        }
        /// The POSIX port, with sanitizers.
        mod posix {
            $(#[test] fn $port() { crate::run(crate::Program::PosixSanitized, stringify!($port)); })*
            $(#[test] fn $library() {
                crate::run(crate::Program::PosixSanitized, stringify!($library));
            })*
        }
    };
}

scenarios! {
    slow {
        failure_no_answer_to_connect
        failure_no_answer_to_subscribe
        large_message_that_is_never_acknowledged
        max_messages_inflight
        large_message_of_a_session_that_is_kept
        journal_has_what_is_not_through
        lwip_large_message_over_a_slow_line
    }
    port {
        semaphore_is_binary
        wake_is_not_lost
        stream_echoes
        stream_to_a_name
        stream_refused
        stream_to_a_name_that_is_not
        lwip_stream_closed_while_its_name_is_looked_up
        stream_ended_by_the_peer
        stream_reset_by_the_peer
        stream_full
        stream_read_with_pauses
        lwip_eight_streams
        tls_carries_much
        tls_without_verification
        tls_to_an_address
        tls_refuses_servers
        tls_says_which_pem_is_bad
        tls_shows_the_clients_certificate
        tls_without_the_certificate_that_is_asked_for
        tls_to_a_server_without
        tls_closed_during_the_handshake
        tls_sends_name_and_protocols
    }
    library {
        client_over_tcp
        client_over_tls
        client_over_websocket
        client_over_websocket_and_tls
        auth_not_cert
        auth_not_cert_with_a_ca
        auth_server_cert
        auth_provide_client_cert
        auth_mutual

        will_of_a_client_that_is_lost
        no_will_of_a_client_that_disconnects
        retained_messages
        keep_alive_keeps_a_silent_connection
        keep_alive_notices_a_pulled_cable
        session_is_resumed_on_the_same_handle
        messages_wait_for_a_session
        broker_killed_and_started_again
        reconnects_by_itself_if_asked_to
        connecting_again_and_again

        callbacks_may_call_everything
        event_queue_is_full_at_qos_0
        event_queue_is_full_at_qos_1
        event_queue_is_full_at_qos_2
        deinit_while_the_event_queue_is_full

        lwip_eight_clients
        nothing_to_do_is_no_work
        a_full_line_is_no_work
        tasks_share_a_client
        deinit_under_load
        deinit_under_load_over_websocket_and_tls
        deinit_while_connecting
        broker_killed_under_load
        large_messages_over_tcp
        large_messages_over_websocket_and_tls
        messages_in_parts
        large_message_whose_connection_breaks
        large_messages_are_through_when_the_call_returns

        example_calls_everything_from_connected
        lamp_is_switched_and_reconnects
        messages_say_whose_they_are
        publishing_from_within_data
        reconnect_and_deinit_from_within_disconnected

        header_is_linked
        arguments_may_be_null
        fields_of_the_configuration_may_be_null
        configuration_is_copied
        results_are_packet_identifiers
        published_has_the_identifier_that_publish_returned
        connecting_twice_is_no_error_and_no_event
        disconnecting_is_never_an_error
        deinit_disconnects
        reconnect_is_a_new_client
        connection_lost_says_whose
        payloads_of_all_forms
        data_says_all_of_a_message
        largest_message_of_the_vendors_publish
        connect_packet_of_a_configuration_of_zeros
        connect_packet_of_a_full_configuration
        connect_packet_of_a_user_without_password
        log_has_neither_user_nor_password
        default_client_identifier
        addresses
        address_without_a_scheme

        failure_nobody_listens
        failure_no_such_host
        failure_topics_that_are_none
        disconnected_before_and_after
        disconnected_while_subscribing
        disconnected_by_another_task
        bad_utf8_string
        null_parameter
        topicname_truncated
        bad_structure
        bad_qos
        bad_mqtt_version
        bad_protocol
        bad_mqtt_option
        wrong_mqtt_version
        will_topic_is_empty
        server_refuses_the_connection
        server_refuses_a_wrong_password
        server_refuses_or_lowers_a_subscription
        tls_errors_have_the_code_of_the_library
        no_memory
        persistence_error
    }
}

fn run(program: Program, scenario: &str) {
    if program != Program::PosixSanitized || !scenario.starts_with("lwip_") {
        rig::passes(program, scenario);
    }
}

#[test]
fn ssl_not_supported() {
    rig::passes(Program::PosixWithoutTls, "ssl_not_supported");
}

/// With the oldest mbedTLS that the port is for.
#[test]
fn tls_of_mbedtls_2_28() {
    if !Path::new("/usr/include/mbedtls/ssl.h").is_file() {
        let _: Option<()> = missing("libmbedtls-dev is");
        return;
    }
    for scenario in [
        "tls_carries_much",
        "tls_refuses_servers",
        "tls_says_which_pem_is_bad",
        "tls_shows_the_clients_certificate",
        "client_over_websocket_and_tls",
    ] {
        rig::passes(Program::PosixMbedTls2, scenario);
    }
}

#[test]
fn lwip_with_other_options_compiles() {
    rig::build("options");
}

#[test]
fn every_scenario_of_the_programs_is_listed_here() {
    let Some(there) = rig::scenarios(Program::LwipSanitized) else {
        return;
    };
    let missing: Vec<_> = there
        .iter()
        .filter(|name| !SCENARIOS.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in the list: {missing:?}");
    assert_eq!(
        there.len(),
        SCENARIOS.len(),
        "something is listed that is not there"
    );
}
