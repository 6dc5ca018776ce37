//go:build !aipool_static && !aipool_noflags

package callers

// #cgo LDFLAGS: -laipool
import "C"
