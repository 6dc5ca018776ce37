package aipool

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// behaviours are tested in every language under these names; tests/behaviours.txt lists them.
var behaviours = []struct {
	name string
	test func(*testing.T)
}{
	{"request_answers_over_http1", requestAnswersOverHTTP1},
	{"request_answers_over_http2_tls", requestAnswersOverHTTP2TLS},
	{"warm_connection_is_reused", warmConnectionIsReused},
	{"headers_keep_duplicates_and_order", headersKeepDuplicatesAndOrder},
	{"body_round_trips_binary", bodyRoundTripsBinary},
	{"relative_url_is_appended_to_base", relativeURLIsAppendedToBase},
	{"absolute_url_goes_to_another_host", absoluteURLGoesToAnotherHost},
	{"opaque_key_takes_absolute_urls_only", opaqueKeyTakesAbsoluteURLsOnly},
	{"status_400_is_a_response", status400IsAResponse},
	{"gzip_br_zstd_are_decoded", gzipBrZstdAreDecoded},
	{"body_over_cap_is_too_large_with_what_fitted", bodyOverCapIsTooLargeWithWhatFitted},
	{"cut_body_is_truncated_with_what_came", cutBodyIsTruncatedWithWhatCame},
	{"reset_before_response_is_reset_maybe_sent", resetBeforeResponseIsResetMaybeSent},
	{"refused_connection_is_connect_not_sent", refusedConnectionIsConnectNotSent},
	{"unresolvable_host_is_dns_not_sent", unresolvableHostIsDNSNotSent},
	{"untrusted_certificate_is_tls_not_sent", untrustedCertificateIsTLSNotSent},
	{"extra_ca_is_trusted", extraCAIsTrusted},
	{"total_limit_is_timeout", totalLimitIsTimeout},
	{"cancel_from_another_thread_ends_the_call", cancelFromAnotherThreadEndsTheCall},
	{"fired_cancel_is_sticky", firedCancelIsSticky},
	{"same_key_is_same_session", sameKeyIsSameSession},
	{"keys_are_normalised", keysAreNormalised},
	{"lru_evicts_least_recently_used", lruEvictsLeastRecentlyUsed},
	{"fifo_evicts_first_inserted", fifoEvictsFirstInserted},
	{"lease_is_passed_over", leaseIsPassedOver},
	{"all_leased_exceeds_max_size", allLeasedExceedsMaxSize},
	{"evicted_handle_is_closed_not_sent", evictedHandleIsClosedNotSent},
	{"eviction_lets_in_flight_finish", evictionLetsInFlightFinish},
	{"close_session_lets_in_flight_finish", closeSessionLetsInFlightFinish},
	{"close_all_lets_in_flight_finish", closeAllLetsInFlightFinish},
	{"close_all_cuts_after_drain", closeAllCutsAfterDrain},
	{"pool_is_usable_after_close_all", poolIsUsableAfterCloseAll},
	{"closed_session_is_recreated", closedSessionIsRecreated},
	{"pool_request_recreates", poolRequestRecreates},
	{"max_size_off_gives_own_sessions", maxSizeOffGivesOwnSessions},
	{"other_connection_options_are_refused_by_name", otherConnectionOptionsAreRefusedByName},
	{"partition_makes_another_session", partitionMakesAnotherSession},
	{"default_headers_and_limits_belong_to_the_handle", defaultHeadersAndLimitsBelongToTheHandle},
	{"global_pool_is_one", globalPoolIsOne},
	{"global_pool_refuses_other_options", globalPoolRefusesOtherOptions},
	{"closed_global_pool_is_made_anew", closedGlobalPoolIsMadeAnew},
	{"pool_free_closes_sessions", poolFreeClosesSessions},
	{"bad_url_names_the_field", badURLNamesTheField},
	{"bad_header_names_the_field", badHeaderNamesTheField},
	{"stale_handle_is_refused", staleHandleIsRefused},
	{"warm_opens_connections_before_requests", warmOpensConnectionsBeforeRequests},
	{"queue_full_is_limit_with_occupancy", queueFullIsLimitWithOccupancy},
	{"queue_limit_is_timeout_with_occupancy", queueLimitIsTimeoutWithOccupancy},
	{"first_byte_limit_is_timeout", firstByteLimitIsTimeout},
	{"between_bytes_limit_is_timeout", betweenBytesLimitIsTimeout},
	{"redirects_are_followed_on_request", redirectsAreFollowedOnRequest},
	{"redirects_are_not_followed_unasked", redirectsAreNotFollowedUnasked},
	{"retries_follow_retry_after", retriesFollowRetryAfter},
	{"trust_anybody_is_insecure_and_shown", trustAnybodyIsInsecureAndShown},
	{"proxy_is_used_when_asked", proxyIsUsedWhenAsked},
	{"reload_tls_replaces_connections", reloadTLSReplacesConnections},
	{"info_names_connection_and_attempts", infoNamesConnectionAndAttempts},
	{"metrics_are_prometheus_text", metricsArePrometheusText},
	{"events_are_json_lines", eventsAreJSONLines},
	{"stats_reconcile", statsReconcile},
	{"stream_head_comes_before_its_body_ends", streamHeadComesBeforeItsBodyEnds},
	{"stream_bytes_are_those_the_server_sent", streamBytesAreThoseTheServerSent},
	{"sse_events_come_parsed_in_order", sseEventsComeParsedInOrder},
	{"ndjson_lines_come_in_order", ndjsonLinesComeInOrder},
	{"missing_end_marker_is_truncated_after_what_came", missingEndMarkerIsTruncatedAfterWhatCame},
	{"freed_stream_leaves_nothing_in_use", freedStreamLeavesNothingInUse},
	{"first_event_limit_is_timeout", firstEventLimitIsTimeout},
	{"between_events_limit_is_timeout", betweenEventsLimitIsTimeout},
	{"between_bytes_limit_ends_a_stream_after_what_came", betweenBytesLimitEndsAStreamAfterWhatCame},
	{"upload_in_pieces_arrives_whole", uploadInPiecesArrivesWhole},
	{"upload_of_another_length_is_refused_by_name", uploadOfAnotherLengthIsRefusedByName},
	{"freed_upload_cancels_its_request", freedUploadCancelsItsRequest},
	{"submitted_requests_end_once_each_with_their_tag", submittedRequestsEndOnceEachWithTheirTag},
	{"cancelled_submission_ends_once_as_cancelled", cancelledSubmissionEndsOnceAsCancelled},
	{"closing_takes_no_more_and_ends_after_the_last", closingTakesNoMoreAndEndsAfterTheLast},
	{"requests_given_up_together_leave_the_pool_usable", requestsGivenUpTogetherLeaveThePoolUsable},
	{"wake_brings_a_waiter_back_with_nothing", wakeBringsAWaiterBackWithNothing},
	{"readable_comes_after_a_read_in_vain", readableComesAfterAReadInVain},
}

func TestBehaviours(t *testing.T) {
	for _, behaviour := range behaviours {
		if t.Run(behaviour.name, behaviour.test) {
			record(t, behaviour.name)
		}
	}
}

func TestEveryListedBehaviourIsTested(t *testing.T) {
	list, err := os.ReadFile("../../tests/behaviours.txt")
	must(t, err)
	var tested []string
	for _, behaviour := range behaviours {
		tested = append(tested, behaviour.name)
	}
	listed := strings.Fields(string(list))
	slices.Sort(listed)
	slices.Sort(tested)
	if !slices.Equal(listed, tested) {
		t.Fatalf("listed:\n%v\ntested:\n%v", listed, tested)
	}
}

// record appends the name of a behaviour that was shown to the run's list.
func record(t *testing.T, name string) {
	t.Helper()
	path := os.Getenv("AIPOOL_BEHAVIOURS")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(t, err)
	defer file.Close()
	_, err = file.WriteString(name + "\n")
	must(t, err)
}
