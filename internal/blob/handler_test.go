package blob_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("The blob handler", Label("DATA-1"), func() {
	var (
		store   *blob.Store
		dir     string
		handler http.Handler
	)

	BeforeEach(func(ctx SpecContext) {
		store, dir = openStore(blob.Options{})
		handler = blob.Handler(store, everyone)
		Expect(store.Put(ctx, strings.NewReader("hello"), blob.Sum([]byte("hello")))).To(Succeed())
	})

	// ask makes one request and returns the answer with its body.
	ask := func(ctx context.Context, method, path, body string, header ...string) (*http.Response, string) {
		GinkgoHelper()
		r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		answer, err := io.ReadAll(w.Result().Body)
		Expect(err).NotTo(HaveOccurred())
		return w.Result(), string(answer)
	}

	It("says the size without the bytes", func(ctx SpecContext) {
		resp, body := ask(ctx, "HEAD", "/blob/"+helloDigest, "")
		Expect(resp.StatusCode).To(Equal(200))
		Expect(resp.ContentLength).To(BeEquivalentTo(5))
		Expect(body).To(BeEmpty())
	})

	It("says whether it stored or had it already", func(ctx SpecContext) {
		resp, _ := ask(ctx, "PUT", "/blob/"+blob.Sum([]byte("new")).String(), "new")
		Expect(resp.StatusCode).To(Equal(201))
		resp, _ = ask(ctx, "PUT", "/blob/sha256:"+helloDigest, "hello")
		Expect(resp.StatusCode).To(Equal(200))
	})

	DescribeTable("gives a part, so that a transfer can go on where it was cut",
		func(ctx SpecContext, bytes, part string) {
			resp, body := ask(ctx, "GET", "/blob/"+helloDigest, "", "Range", "bytes="+bytes)
			Expect(resp.StatusCode).To(Equal(206))
			Expect(body).To(Equal(part))
		},
		Entry("the rest", "2-", "llo"),
		Entry("a piece", "1-3", "ell"),
		Entry("the last two", "-2", "lo"),
	)

	It("refuses a part that lies outside", func(ctx SpecContext) {
		resp, _ := ask(ctx, "GET", "/blob/"+helloDigest, "", "Range", "bytes=5-")
		Expect(resp.StatusCode).To(Equal(416))
	})

	It("gives no part of a damaged blob", func(ctx SpecContext) {
		Expect(store.Close()).To(Succeed())
		flip(filepath.Join(dir, "2c", helloDigest), 4)
		handler = blob.Handler(reopen(dir, blob.Options{}), everyone)
		resp, body := ask(ctx, "GET", "/blob/"+helloDigest, "", "Range", "bytes=0-1")
		Expect(resp.StatusCode).To(Equal(404))
		Expect(body).To(ContainSubstring("damaged"))
	})

	DescribeTable("refuses in one sentence",
		func(ctx SpecContext, method, path string, status int, sentence string) {
			resp, body := ask(ctx, method, path, "hello")
			Expect(resp.StatusCode).To(Equal(status))
			Expect(strings.Count(body, "\n")).To(Equal(1), "one line")
			Expect(body).To(ContainSubstring(sentence))
		},
		Entry("a blob that is not here", "GET", "/blob/"+strings.Repeat("0", 64), 404, "blob not found: 0000"),
		Entry("what is not a digest", "GET", "/blob/module.wasm", 400, `not a SHA-256 digest: "module.wasm"`),
		Entry("a path out of the store", "GET", "/blob/..%2f..%2fetc%2fpasswd", 400, "not a SHA-256 digest"),
		Entry("bytes of another name", "PUT", "/blob/"+strings.Repeat("0", 64), 422, "do not match their digest"),
		Entry("deletion", "DELETE", "/blob/"+helloDigest, 405, "GET or HEAD"),
		Entry("any other place", "GET", "/", 404, "not found"),
	)

	It("refuses a blob that comes without its length", func(ctx SpecContext) {
		r := httptest.NewRequestWithContext(ctx, "PUT", "/blob/"+helloDigest, io.MultiReader(strings.NewReader("hello")))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		Expect(w.Code).To(Equal(411))
	})

	It("keeps faults of its own disk, and where that is, to its log", func(ctx SpecContext) {
		Expect(store.Close()).To(Succeed())
		resp, body := ask(ctx, "GET", "/blob/"+helloDigest, "")
		Expect(resp.StatusCode).To(Equal(500))
		Expect(body).To(ContainSubstring("the log of this node says why"))
		Expect(body).NotTo(ContainSubstring("closed"))
	})
})
