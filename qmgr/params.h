/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in the queue manager. Limits per
 * transport (smtp_destination_concurrency_limit ...) are looked up by name and
 * fall back to the default_ ones here.
 */
#ifndef QMGR_PARAMS_H
#define QMGR_PARAMS_H

#define QMGR_PARAMS(P)                                                                                              \
    P(SIZE, journal_size, "queue_journal_size", "134217728", 131072, 17179869184, "Size of a new queue journal.")  \
    P(SIZE, inline_limit, "queue_inline_limit", "65536", 1024, 131072,                                             \
      "Largest message content, in bytes of records, that travels in one frame and lives in the journal.")         \
    P(SECS, spill_after, "queue_spill_time", "10s", 1, 3600, "Age at which a message becomes a queue file.")       \
    P(SIZE, queue_minfree, "queue_minfree", "0", 0, UINT64_MAX / 4,                                                \
      "Free bytes on the queue filesystem below which mail is refused with 452.")                                  \
    P(SIZE, message_size_limit, "message_size_limit", "10240000", 0, UINT64_MAX / 4, "Largest message.")           \
    P(BOOL, long_ids, "enable_long_queue_ids", "no", 0, 0, "Queue ids in the long form.")                          \
    P(SECS, minimal_backoff, "minimal_backoff_time", "300s", 1, 8640000, "Shortest time between two attempts.")    \
    P(SECS, maximal_backoff, "maximal_backoff_time", "4000s", 1, 8640000, "Longest time between two attempts.")    \
    P(SECS, queue_run_delay, "queue_run_delay", "300s", 1, 8640000, "Time between looks into deferred/ and incoming/.") \
    P(SECS, queue_lifetime, "maximal_queue_lifetime", "5d", 0, 864000000, "Age at which undelivered mail is returned.") \
    P(SECS, bounce_lifetime, "bounce_queue_lifetime", "5d", 0, 864000000, "The same for mail with the null sender.") \
    P(SECS, delay_warning, "delay_warning_time", "0h", 0, 864000000, "Age at which the sender is told of a delay; 0 = never.") \
    P(UINT, concurrency, "default_destination_concurrency_limit", "20", 0, 100000, "Parallel deliveries to one destination.") \
    P(UINT, initial_concurrency, "initial_destination_concurrency", "5", 1, 100000, "Parallel deliveries to a new destination.") \
    P(UINT, recipient_limit, "default_destination_recipient_limit", "50", 0, 100000, "Recipients of one delivery.") \
    P(UINT, failed_cohorts, "default_destination_concurrency_failed_cohort_limit", "1", 0, 1000,                   \
      "Failures in a row, in units of the concurrency, after which a destination is taken to be dead.")            \
    P(UINT, process_limit, "default_process_limit", "100", 1, 100000, "Parallel deliveries of one transport.")     \
    P(UINT, active_limit, "qmgr_message_active_limit", "20000", 1, 10000000, "Messages in memory beyond which deferred mail waits.") \
    P(UINT, recipients_max, "qmgr_submit_recipient_limit", "100000", 1, 1000000, "Recipients of one message.")     \
    P(STR, notify_classes, "notify_classes", "resource, software", 0, 0, "Which problems the postmaster hears of.") \
    P(STR, twobounce_recipient, "2bounce_notice_recipient", "postmaster", 0, 0, "Who gets undeliverable bounces.") \
    P(STR, double_bounce_sender, "double_bounce_sender", "double-bounce", 0, 0, "Sender of mail that must not bounce.") \
    P(STR, defer_transports, "defer_transports", "", 0, 0, "Transports whose mail waits for a flush.")             \
    P(BOOL, soft_bounce, "soft_bounce", "no", 0, 0, "Undeliverable mail waits instead of going back; smtpd says 4xx for 5xx.") \
    P(STR, flush_users, "authorized_flush_users", "static:anyone", 0, 0, "Who may flush the queue.")               \
    P(STR, mailq_users, "authorized_mailq_users", "static:anyone", 0, 0, "Who may see the queue.")                 \
    P(STR, syslog_name, "syslog_name", "postfix", 0, 0, "Prefix of log idents.")
#endif
