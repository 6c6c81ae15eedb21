// Sends one request to @PEER@, if it is the pinned one: java Pinned.java (Java 17 or later).
//
// The leaf's SHA-256 is compared in the handshake of the connection that carries the request. The check belongs to this
// client alone; nothing is changed for the process.

import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

public class Pinned {
    static final Set<String> PINS = Set.of(@QUOTED_PINS@);

    /** Trusts the holder of a pinned leaf, and nobody else. */
    static final class PinnedPeer extends X509ExtendedTrustManager {
        private static void check(X509Certificate[] chain) throws CertificateException {
            String presented;
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(chain[0].getEncoded());
                presented = HexFormat.of().formatHex(digest);
            } catch (NoSuchAlgorithmException error) {
                throw new CertificateException(error);
            }
            if (!PINS.contains(presented)) {
                throw new CertificateException("presented " + presented + ", want one of " + PINS + "; nothing was sent");
            }
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) throws CertificateException {
            check(chain);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) throws CertificateException {
            check(chain);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
            check(chain);
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) throws CertificateException {
            throw new CertificateException("this is a client");
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) throws CertificateException {
            throw new CertificateException("this is a client");
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
            throw new CertificateException("this is a client");
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    public static void main(String[] args) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new PinnedPeer()}, null);
        HttpClient client = HttpClient.newBuilder()
            .sslContext(context)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(Duration.ofSeconds(30))
            .build();
        URI target = URI.create("@URL@").resolve(args.length > 0 ? args[0] : "/");
        HttpRequest request = HttpRequest.newBuilder(target).timeout(Duration.ofSeconds(30)).build();
        try {
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode());
            System.out.println(response.body());
        } catch (javax.net.ssl.SSLException error) {
            System.err.println("error: @PEER@ is not the pinned peer: " + error.getMessage());
            System.exit(1);
        }
    }
}
