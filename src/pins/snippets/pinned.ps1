# Sends one request to @PEER@, if it is the pinned one (Windows PowerShell 5.1, PowerShell 7).
#
# The leaf's SHA-256 is compared inside the connection that carries the request, before a byte of it is sent.
# ServicePointManager, which decides for the whole process, is not touched.
param([string]$Path = '/')
$ErrorActionPreference = 'Stop'
$pins = @(@QUOTED_PINS@)

$tcp = New-Object System.Net.Sockets.TcpClient
$tcp.Connect('@HOST@', @PORT@)
try {
    # The pin says who the peer is: no name and no issuer do. TLS itself has it prove that it holds the key.
    $anyIssuer = [System.Net.Security.RemoteCertificateValidationCallback] { $true }
    $tls = New-Object System.Net.Security.SslStream($tcp.GetStream(), $false, $anyIssuer)
    $tls.AuthenticateAsClient('@HOST@')
    $sha256 = [System.Security.Cryptography.SHA256]::Create()
    $digest = $sha256.ComputeHash($tls.RemoteCertificate.GetRawCertData())
    $presented = ([System.BitConverter]::ToString($digest) -replace '-', '').ToLowerInvariant()
    if ($pins -notcontains $presented) {
        [Console]::Error.WriteLine("error: @PEER@ presented $presented, want $($pins -join ' or '); nothing was sent")
        exit 1
    }
    $request = "GET $Path HTTP/1.1`r`nHost: @PEER@`r`nConnection: close`r`n`r`n"
    $bytes = [System.Text.Encoding]::ASCII.GetBytes($request)
    $tls.Write($bytes, 0, $bytes.Length)
    $reader = New-Object System.IO.StreamReader($tls)
    $reader.ReadToEnd()
} finally {
    $tcp.Close()
}
