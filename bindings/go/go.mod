module github.com/aipool/aipool/bindings/go

go 1.24
