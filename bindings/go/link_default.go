//go:build !aipool_static && !aipool_noflags

package aipool

// #cgo pkg-config: aipool
import "C"
