// Sends one request to @PEER@, if it is the pinned one (.NET 6 or later: the Program.cs of `dotnet new console`).
//
// The leaf's SHA-256 is compared in the handshake of every connection of this client, before a request is sent through it.
// The check belongs to this handler alone: ServicePointManager, which decides for the whole process, is not touched.
using System.Net.Http;
using System.Net.Security;
using System.Security.Cryptography;

string[] pins = { @QUOTED_PINS@ };

using var handler = new SocketsHttpHandler
{
    AllowAutoRedirect = false,
    SslOptions = new SslClientAuthenticationOptions
    {
        // The pin says who the peer is: no name and no issuer do. TLS itself has it prove that it holds the key.
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            if (certificate is null)
            {
                return false;
            }
            var presented = Convert.ToHexString(SHA256.HashData(certificate.GetRawCertData())).ToLowerInvariant();
            if (pins.Contains(presented))
            {
                return true;
            }
            Console.Error.WriteLine($"error: @PEER@ presented {presented}, want {string.Join(" or ", pins)}; nothing was sent");
            return false;
        },
    },
};
using var client = new HttpClient(handler)
{
    BaseAddress = new Uri("@URL@"),
    Timeout = TimeSpan.FromSeconds(30),
};
try
{
    using var response = await client.GetAsync(args.Length > 0 ? args[0] : "/");
    Console.WriteLine((int)response.StatusCode);
    Console.WriteLine(await response.Content.ReadAsStringAsync());
    return 0;
}
catch (HttpRequestException error)
{
    Console.Error.WriteLine($"error: {error.Message}");
    return 1;
}
