module github.com/aipool/aipool/tests/soak/go

go 1.24

require github.com/aipool/aipool/bindings/go v0.0.0

replace github.com/aipool/aipool/bindings/go => ../../../bindings/go
