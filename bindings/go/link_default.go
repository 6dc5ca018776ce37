//go:build !aipool_static && !aipool_noflags

package aipool

// #cgo LDFLAGS: -laipool
import "C"
