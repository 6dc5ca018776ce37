//go:build aipool_static

package callers

// #cgo LDFLAGS: -l:libaipool.a -lgcc_s -lm -ldl -lpthread
import "C"
